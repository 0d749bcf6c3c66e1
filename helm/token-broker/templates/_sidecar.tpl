{{/*
What an application's chart includes in its Pod templates. Each takes "." of that chart (or of this one), or
(dict "context" . "tokens" (list "reports")) where one workload wants a part of the configured tokens; the sidecar and
the volumes of a workload are to be given the same.
*/}}

{{/* An item of initContainers: a native sidecar. */}}
{{- define "token-broker.sidecar" -}}
{{- $pod := dict "called" . "template" "token-broker.sidecar" -}}
{{- include "token-broker.resolve" $pod -}}
{{- $values := $pod.scope.Values -}}
- name: token-broker
  image: {{ include "token-broker.image" $pod.scope | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  args:
    - run
  restartPolicy: Always
  env:
    {{- include "token-broker.sidecarEnv" $pod | trim | nindent 4 }}
  ports:
    - name: broker-admin
      containerPort: {{ int $values.ports.admin }}
      protocol: TCP
  {{- /* What starts after the sidecar finds tokens. The broker ends the wait (startup.wait) before this gives up. */}}
  startupProbe:
    httpGet:
      path: /startupz
      port: {{ int $values.ports.admin }}
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: {{ include "token-broker.startupThreshold" $pod }}
  {{- /* The process alone: a restart cures no authorization server, and loses the tokens that are still good. */}}
  livenessProbe:
    httpGet:
      path: /livez
      port: {{ int $values.ports.admin }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  {{- if $values.readinessProbe.enabled }}
  readinessProbe:
    httpGet:
      path: /readyz
      port: {{ int $values.ports.admin }}
    periodSeconds: 10
    timeoutSeconds: 5
  {{- end }}
  {{- with $values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext:
    {{- include "token-broker.securityContext" $pod.scope | nindent 4 }}
  {{- with concat $pod.mounts ($values.extraVolumeMounts | default list) }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Items of the Pod's volumes. */}}
{{- define "token-broker.volumes" -}}
{{- $pod := dict "called" . "template" "token-broker.volumes" -}}
{{- include "token-broker.resolve" $pod -}}
{{- with concat $pod.volumes ($pod.scope.Values.extraVolumes | default list) -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* Items of env of the containers that ask for tokens. */}}
{{- define "token-broker.env" -}}
{{- $pod := dict "called" . "template" "token-broker.env" -}}
{{- include "token-broker.scope" $pod -}}
- name: TOKEN_BROKER_URL
  value: {{ printf "http://127.0.0.1:%d" (int $pod.scope.Values.ports.api) | quote }}
{{- end -}}

{{/* Labels of the Pod: what monitoring selects by. */}}
{{- define "token-broker.podLabels" -}}
token-broker.dev/sidecar: "true"
{{- end -}}

{{/* Annotations of the Pod: it is replaced when the configuration file changes, which a broker reads once. */}}
{{- define "token-broker.podAnnotations" -}}
{{- $pod := dict "called" . "template" "token-broker.podAnnotations" -}}
{{- include "token-broker.scope" $pod -}}
{{- $values := $pod.scope.Values -}}
checksum/token-broker-config: {{ include "token-broker.configFile" $pod.scope | default $values.existingConfigMap | sha256sum | quote }}
{{- end -}}

{{/* The chart's own variables, less those that extraEnv replaces, then extraEnv: no name may be there twice. */}}
{{- define "token-broker.sidecarEnv" -}}
{{- $values := .scope.Values -}}
{{- $own := dict
  "TOKEN_BROKER_ADMIN_LISTEN" (printf ":%d" (int $values.ports.admin))
  "TOKEN_BROKER_API_LISTEN" (printf "localhost:%d%s" (int $values.ports.api) (ternary ",unix:/run/token-broker/api.sock" "" $values.unixSocket.enabled)) -}}
{{- with .tokens -}}
{{- $_ := set $own "TOKEN_BROKER_TOKENS" (join "," .) -}}
{{- end -}}
{{- $extra := deepCopy ($values.extraEnv | default list) -}}
{{- $said := list -}}
{{- range $extra -}}
{{- if has .name $said -}}
{{- fail (printf "%sextraEnv has %s twice; keep one of them" $.prefix .name) -}}
{{- end -}}
{{- if and (eq .name "TOKEN_BROKER_TOKENS") $.tokens -}}
{{- fail (printf "%sextraEnv sets TOKEN_BROKER_TOKENS, and tokens are chosen too; keep one of the two" $.prefix) -}}
{{- end -}}
{{- $said = append $said .name -}}
{{- /* A quantity, which people write as a number, and an API server knows as text. */ -}}
{{- with (.valueFrom | default dict).resourceFieldRef -}}
{{- if hasKey . "divisor" -}}
{{- $_ := set . "divisor" (toString .divisor) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $own }}
{{- if not (has $name $said) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with $extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}
