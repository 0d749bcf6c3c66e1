{{/*
Sets mounts, of the broker's container; volumes, what is behind them; files, where the configuration's files can be.
*/}}
{{- define "token-broker.readMounts" -}}
{{- $_ := set . "mounts" list -}}
{{- $_ := set . "volumes" list -}}
{{- $_ := set . "files" list -}}
{{- include "token-broker.readClients" . -}}
{{- include "token-broker.mountKeys" . -}}
{{- include "token-broker.mountConfig" . -}}
{{- include "token-broker.mountShared" . -}}
{{- include "token-broker.checkMounts" . -}}
{{- include "token-broker.checkFiles" . -}}
{{- include "token-broker.checkUsers" . -}}
{{- end -}}

{{/* Sets clients: those that the chosen tokens need; the broker leaves out the others too. */}}
{{- define "token-broker.readClients" -}}
{{- $all := .config.clients | default dict -}}
{{- $clients := $all -}}
{{- if and .config .tokens -}}
{{- $clients = dict -}}
{{- range .tokens -}}
{{- $client := (index $.config.tokens . | default dict).client | default (keys $all | sortAlpha | first) | default "" -}}
{{- $_ := set $clients $client (index $all $client) -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "clients" $clients -}}
{{- end -}}

{{/* Adds a volume, and its mount in the broker's container: pod, volume (a map), path, and writable where it is. */}}
{{- define "token-broker.mount" -}}
{{- $mount := dict "name" .volume.name "mountPath" .path -}}
{{- if not .writable -}}
{{- $_ := set $mount "readOnly" true -}}
{{- end -}}
{{- $_ := set .pod "mounts" (append .pod.mounts $mount) -}}
{{- $_ := set .pod "volumes" (append .pod.volumes .volume) -}}
{{- end -}}

{{- define "token-broker.mountKeys" -}}
{{- $values := .scope.Values -}}
{{- $root := "/var/run/secrets/token-broker" -}}
{{- if and $values.key.existingSecret $values.keys -}}
{{- fail (printf "%skey and %skeys are both set; keep one key for everything, or one for each client" .prefix .prefix) -}}
{{- end -}}
{{- with $values.key.existingSecret -}}
{{- include "token-broker.mountKey" (dict "pod" $ "at" "key" "key" $values.key "volume" "token-broker-key" "path" $root) -}}
{{- end -}}
{{- range $client, $key := $values.keys -}}
{{- if and $.config (not (hasKey $.config.clients $client)) -}}
{{- fail (printf "%skeys has %s, and %sconfig.clients has not: there is %s" $.prefix $client $.prefix (keys $.config.clients | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if or (not $.config) (hasKey $.clients $client) -}}
{{- include "token-broker.mountKey" (dict "pod" $ "at" (printf "keys.%s" $client) "key" $key "volume" (include "token-broker.keyVolume" $client) "path" (printf "%s/%s" $root $client)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One Secret, and its mount, which no other container has. */}}
{{- define "token-broker.mountKey" -}}
{{- include "token-broker.secretName" (dict "at" (printf "%s%s" .pod.prefix .at) "name" .key.existingSecret "what" "which holds the private key") -}}
{{- /* 0444, as a number that every YAML reads alike: the files are root's, and an fsGroup is the Pod's to set. */ -}}
{{- $secret := dict "secretName" .key.existingSecret "defaultMode" 292 -}}
{{- with .key.items -}}
{{- $_ := set $secret "items" . -}}
{{- end -}}
{{- include "token-broker.mount" (dict "pod" .pod "volume" (dict "name" .volume "secret" $secret) "path" .path) -}}
{{- range .key.items -}}
{{- $_ := set $.pod "files" (append $.pod.files (dict "path" (printf "%s/%s" $.path .path))) -}}
{{- else -}}
{{- $_ := set .pod "files" (append .pod.files (dict "folder" .path "of" (printf "entry of Secret %s" .key.existingSecret))) -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.secretName" -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" (.name | default "" | toString)) -}}
{{- fail (printf "%s.existingSecret is to be the name of a Secret, %s" .at .what) -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.keyVolume" -}}
{{- include "token-broker.volumeName" (list "token-broker-key" .) -}}
{{- end -}}

{{/* A volume's name is a DNS label, shorter and of fewer characters than the name in it; no two become the same. */}}
{{- define "token-broker.volumeName" -}}
{{- $name := last . -}}
{{- $room := sub 62 (len (first .)) | int -}}
{{- if and (regexMatch "^[-a-z0-9]+$" $name) (le (len $name) $room) -}}
{{- printf "%s-%s" (first .) $name -}}
{{- else -}}
{{- printf "%s-%s-%s" (first .) (regexReplaceAll "[^-a-z0-9]" $name "-" | trunc (sub $room 9 | int)) (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- end -}}

{{/* A broker without a file may be told everything by variables, or find one that the chart knows nothing of. */}}
{{- define "token-broker.mountConfig" -}}
{{- $values := .scope.Values -}}
{{- if or $values.config $values.existingConfigMap -}}
{{- $volume := dict "name" "token-broker-config" "configMap" (dict "name" (include "token-broker.configMapName" .scope)) -}}
{{- include "token-broker.mount" (dict "pod" . "volume" $volume "path" "/etc/token-broker") -}}
{{- else -}}
{{- $elsewhere := false -}}
{{- range $values.extraEnv -}}
{{- $elsewhere = or $elsewhere (has .name (list "TOKEN_BROKER_CONFIG" "TOKEN_BROKER_CLIENT_ID")) -}}
{{- end -}}
{{- range $values.extraVolumeMounts -}}
{{- $elsewhere = or $elsewhere (hasPrefix "/etc/token-broker" .mountPath) -}}
{{- end -}}
{{- if not $elsewhere -}}
{{- fail (printf "there is no configuration: write it under %sconfig, or name a ConfigMap that has it as config.yaml in %sexistingConfigMap" .prefix .prefix) -}}
{{- end -}}
{{- end -}}
{{- end -}}
