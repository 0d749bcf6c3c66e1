{{/* The configuration file, "" where the chart has none. */}}
{{- define "token-broker.configFile" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- /* Helm drops blank lines at the end of a manifest: they are not to be in the checksum. */ -}}
{{- regexReplaceAll "\\n+\\z" $config "\n" -}}
{{- else if $config -}}
{{- $config = deepCopy $config -}}
{{- /* Helm reads YAML 1.1, where off without quotes is false. */ -}}
{{- if eq (toString ($config.admin | default dict).status) "false" -}}
{{- $_ := set $config.admin "status" "off" -}}
{{- end -}}
{{- toYaml $config | printf "%s\n" -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.configMapName" -}}
{{- .Values.existingConfigMap | default (include "token-broker.objectName" (dict "scope" . "suffix" "config")) -}}
{{- end -}}

{{/* Sets config: the sections that the chart looks into, each of them a map; {} where it knows no configuration. */}}
{{- define "token-broker.readConfig" -}}
{{- $values := .scope.Values -}}
{{- $config := $values.config -}}
{{- $at := printf "%sconfig" .prefix -}}
{{- if and $config $values.existingConfigMap -}}
{{- fail (printf "%s and %sexistingConfigMap are both set; keep one of the two" $at .prefix) -}}
{{- end -}}
{{- if not (regexMatch "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$" ($values.existingConfigMap | default "" | toString)) -}}
{{- fail (printf "%sexistingConfigMap is to be the name of a ConfigMap, which holds the configuration" .prefix) -}}
{{- end -}}
{{- if and $config (kindIs "string" $config) -}}
{{- $config = fromYaml $config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "%s is text, and not YAML that holds keys: %s" $at ($config.Error | replace "error converting YAML to JSON: " "" | replace "error unmarshaling JSON: while decoding JSON: " "")) -}}
{{- end -}}
{{- if not $config -}}
{{- fail (printf "%s is text in which there is nothing but space and comments; write clients and tokens, or leave it out" $at) -}}
{{- end -}}
{{- end -}}
{{- include "token-broker.checkForm" (dict "at" $at "value" ($config | default dict) "form" (include "token-broker.configForm" . | fromYaml)) -}}
{{- $known := dict -}}
{{- if $config -}}
{{- range $section := list "api" "admin" "startup" "clients" "tokens" -}}
{{- $_ := set $known $section (index $config $section | default dict) -}}
{{- end -}}
{{- range $section := list "api" "admin" -}}
{{- if (index $known $section).listen -}}
{{- fail (printf "%s.%s.listen is the chart's to say, so that probes and listeners agree; change %sports.%s instead%s" $at $section $.prefix $section (eq $section "api" | ternary (printf ", or switch on %sunixSocket" $.prefix) "")) -}}
{{- end -}}
{{- end -}}
{{- range .tokens -}}
{{- if not (hasKey $known.tokens .) -}}
{{- fail (printf "there is no token %q to choose; %s.tokens has %s" . $at (keys $known.tokens | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "config" $known -}}
{{- end -}}

{{/* What the chart reads of a configuration; "*" is any name. The broker checks the rest. */}}
{{- define "token-broker.configForm" -}}
api: {callers: {"*": {secret_file: text}}}
admin: {}
startup: {}
clients:
  "*":
    private_key: &key {file: text, kid_file: text, passphrase_file: text, certificate_file: text}
    private_keys: [*key]
    assertion_file: text
tokens: {"*": {client: text, sinks: [{path: text}]}}
{{- end -}}

{{/* Fails when what is written is of another form; a text has no schema. */}}
{{- define "token-broker.checkForm" -}}
{{- if kindIs "invalid" .value -}}
{{- else if kindIs "map" .form -}}
{{- if not (kindIs "map" .value) -}}
{{- fail (printf "%s must hold keys, not a list or a single value" .at) -}}
{{- end -}}
{{- range $name, $value := .value -}}
{{- $form := hasKey $.form $name | ternary (index $.form $name) (index $.form "*") -}}
{{- if not (kindIs "invalid" $form) -}}
{{- include "token-broker.checkForm" (dict "at" (printf "%s.%s" $.at $name) "value" $value "form" $form) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" .form -}}
{{- if not (kindIs "slice" .value) -}}
{{- fail (printf "%s must be a list" .at) -}}
{{- end -}}
{{- range $position, $value := .value -}}
{{- include "token-broker.checkForm" (dict "at" (printf "%s[%d]" $.at $position) "value" $value "form" (first $.form)) -}}
{{- end -}}
{{- else if not (kindIs "string" .value) -}}
{{- fail (printf "%s must be text; put quotes around it" .at) -}}
{{- end -}}
{{- end -}}

{{/*
How many times, once a second, the startup probe may fail: a minute longer than the broker waits for tokens by itself.
Where that is for ever, or not known here, no number of failures restarts it.
*/}}
{{- define "token-broker.startupThreshold" -}}
{{- $wait := (.config.startup | default dict).wait | default "60s" | toString -}}
{{- if or (not .config) (eq $wait "forever") (contains "${" $wait) -}}
2147483647
{{- else if not (regexMatch "^([0-9]+(\\.[0-9]+)?(ms|[smhd]))+$" $wait) -}}
{{- fail (printf "%sconfig.startup.wait: %q is not a duration; write it like 90s, 5m or 1h30m, or forever" .prefix $wait) -}}
{{- else -}}
{{- $units := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- $seconds := 60 -}}
{{- range regexFindAll "[0-9.]+(ms|[smhd])" $wait -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $seconds = mulf (trimSuffix $unit .) (index $units $unit) | addf $seconds -}}
{{- end -}}
{{- ceil $seconds | int64 | min 2147483647 -}}
{{- end -}}
{{- end -}}
