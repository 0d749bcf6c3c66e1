{{/*
What the broker's container has in common with others: a socket, files with tokens, callers' secrets. Never a key. Each
is a volume of its own, so that a container has what it mounts and nothing else.
*/}}

{{/* Items of volumeMounts of a container that asks over the Unix socket. */}}
{{- define "token-broker.socketMount" -}}
{{- $pod := dict "called" . "template" "token-broker.socketMount" -}}
{{- include "token-broker.scope" $pod -}}
{{- if not $pod.scope.Values.unixSocket.enabled -}}
{{- fail (printf "token-broker.socketMount is included, and %sunixSocket.enabled is false; switch it on, or take the include out" $pod.prefix) -}}
{{- end -}}
- name: token-broker-socket
  mountPath: /run/token-broker
  readOnly: true
{{- end -}}

{{/* The same of a container that reads tokens from files: all of those that are written there. */}}
{{- define "token-broker.sinksMount" -}}
{{- $pod := dict "called" . "template" "token-broker.sinksMount" -}}
{{- include "token-broker.scope" $pod -}}
{{- if not $pod.scope.Values.sinks.enabled -}}
{{- fail (printf "token-broker.sinksMount is included, and %ssinks.enabled is false; switch it on, or take the include out" $pod.prefix) -}}
{{- end -}}
- name: token-broker-sinks
  mountPath: {{ $pod.scope.Values.sinks.mountPath | quote }}
  readOnly: true
{{- end -}}

{{/* The same of a container that is a caller: (dict "context" . "caller" "reports"). No other caller's secret is there. */}}
{{- define "token-broker.callerMount" -}}
{{- $pod := dict "called" . "template" "token-broker.callerMount" "knows" (list "context" "caller") -}}
{{- include "token-broker.scope" $pod -}}
{{- $callers := $pod.scope.Values.callers -}}
{{- $name := .caller | default "" | toString -}}
{{- if not (hasKey $callers $name) -}}
{{- fail (printf "token-broker.callerMount wants one of %scallers: (dict \"context\" $ \"caller\" \"reports\"); there is %s" $pod.prefix (keys $callers | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
- name: {{ include "token-broker.volumeName" (list "token-broker-caller" $name) }}
  mountPath: /var/run/secrets/{{ if (index $callers $name).create }}created-callers/{{ $name }}{{ else }}callers{{ end }}
  readOnly: true
{{- end -}}

{{- define "token-broker.mountShared" -}}
{{- $values := .scope.Values -}}
{{- include "token-broker.mountCallers" . -}}
{{- if $values.unixSocket.enabled -}}
{{- $volume := dict "name" "token-broker-socket" "emptyDir" (dict "medium" "Memory" "sizeLimit" "1Mi") -}}
{{- include "token-broker.mount" (dict "pod" . "volume" $volume "path" "/run/token-broker" "writable" true) -}}
{{- end -}}
{{- if $values.sinks.enabled -}}
{{- $volume := dict "name" "token-broker-sinks" "emptyDir" (dict "medium" "Memory" "sizeLimit" "16Mi") -}}
{{- include "token-broker.mount" (dict "pod" . "volume" $volume "path" $values.sinks.mountPath "writable" true) -}}
{{- $_ := set . "files" (append .files (dict "folder" $values.sinks.mountPath "of" "file")) -}}
{{- end -}}
{{- end -}}

{{/*
Secrets that others made are all in one folder of the broker's, and each in a volume of its own for its caller. One that
the broker makes is in a volume that both mount.
*/}}
{{- define "token-broker.mountCallers" -}}
{{- $known := (.config.api | default dict).callers | default dict -}}
{{- $sources := list -}}
{{- range $name, $caller := .scope.Values.callers -}}
{{- $at := printf "%scallers.%s" $.prefix $name -}}
{{- if and $.config (not (hasKey $known $name)) -}}
{{- fail (printf "%scallers has %s, and %sconfig.api.callers has not: there is %s" $.prefix $name $.prefix (keys $known | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
{{- $volume := dict "name" (include "token-broker.volumeName" (list "token-broker-caller" $name)) -}}
{{- if $caller.create -}}
{{- if $caller.existingSecret -}}
{{- fail (printf "%s has existingSecret and create: true; keep the Secret, or let the broker make one" $at) -}}
{{- end -}}
{{- if and $.config (not (index $known $name | default dict).create) -}}
{{- fail (printf "%s.create is true, and %sconfig.api.callers.%s.create is not; the broker makes a secret when its configuration says so" $at $.prefix $name) -}}
{{- end -}}
{{- $_ := set $volume "emptyDir" (dict "medium" "Memory" "sizeLimit" "1Mi") -}}
{{- $folder := printf "/var/run/secrets/created-callers/%s" $name -}}
{{- include "token-broker.mount" (dict "pod" $ "volume" $volume "path" $folder "writable" true) -}}
{{- $_ := set $ "files" (append $.files (dict "folder" $folder "of" "file")) -}}
{{- else -}}
{{- include "token-broker.secretName" (dict "at" $at "name" $caller.existingSecret "what" "which holds what the caller sends; or write create: true") -}}
{{- $items := list (dict "key" ($caller.key | default "secret") "path" $name) -}}
{{- $sources = append $sources (dict "secret" (dict "name" $caller.existingSecret "items" $items)) -}}
{{- $_ := set $volume "secret" (dict "secretName" $caller.existingSecret "defaultMode" 292 "items" $items) -}}
{{- $_ := set $ "volumes" (append $.volumes $volume) -}}
{{- $_ := set $ "files" (append $.files (dict "path" (printf "/var/run/secrets/callers/%s" $name))) -}}
{{- end -}}
{{- end -}}
{{- with $sources -}}
{{- $volume := dict "name" "token-broker-callers" "projected" (dict "defaultMode" 292 "sources" .) -}}
{{- include "token-broker.mount" (dict "pod" $ "volume" $volume "path" "/var/run/secrets/callers") -}}
{{- end -}}
{{- end -}}
