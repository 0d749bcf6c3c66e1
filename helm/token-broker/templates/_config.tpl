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
{{- .Values.existingConfigMap | default (printf "%s-config" (include "token-broker.fullname" . | trunc 56 | trimSuffix "-")) -}}
{{- end -}}

{{/* Sets config: the sections that the chart looks into, each of them a map. */}}
{{- define "token-broker.readConfig" -}}
{{- $config := .scope.Values.config | default dict -}}
{{- $at := printf "%sconfig" .prefix -}}
{{- if and $config .scope.Values.existingConfigMap -}}
{{- fail (printf "%s and %sexistingConfigMap are both set; keep one of the two" $at .prefix) -}}
{{- end -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- with $config.Error -}}
{{- fail (printf "%s is text, and not YAML that holds keys: %s" $at .) -}}
{{- end -}}
{{- end -}}
{{- $known := dict -}}
{{- range $section := list "api" "admin" "startup" "clients" "tokens" -}}
{{- $content := index $config $section -}}
{{- if not (or (kindIs "map" $content) (empty $content)) -}}
{{- fail (printf "%s.%s must hold keys, not a list or a single value" $at $section) -}}
{{- end -}}
{{- $_ := set $known $section ($content | default dict) -}}
{{- end -}}
{{- range $section, $port := dict "api" $known.api "admin" $known.admin -}}
{{- if $port.listen -}}
{{- fail (printf "%s.%s.listen is the chart's to say, so that probes and listeners agree; change %sports.%s instead" $at $section $.prefix $section) -}}
{{- end -}}
{{- end -}}
{{- if $config -}}
{{- range .tokens -}}
{{- if not (hasKey $known.tokens .) -}}
{{- fail (printf "there is no token %q to choose; %s.tokens has %s" . $at (keys $known.tokens | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "config" (empty $config | ternary dict $known) -}}
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
