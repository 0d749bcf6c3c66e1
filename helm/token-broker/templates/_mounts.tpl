{{/*
Sets mounts, and what is behind them: secrets, the keys of the clients that the chosen tokens need; configMap, "" where
the configuration comes in another way.
*/}}
{{- define "token-broker.readMounts" -}}
{{- $_ := set . "mounts" list -}}
{{- $_ := set . "secrets" list -}}
{{- include "token-broker.readClients" . -}}
{{- include "token-broker.mountKeys" . -}}
{{- include "token-broker.checkKeyFiles" . -}}
{{- include "token-broker.mountConfig" . -}}
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
{{- $name := .key.existingSecret | default "" -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" $name) -}}
{{- fail (printf "%s%s.existingSecret is to be the name of a Secret, which holds the private key" .pod.prefix .at) -}}
{{- end -}}
{{- $_ := set .pod "mounts" (append .pod.mounts (dict "name" .volume "mountPath" .path)) -}}
{{- $_ := set .pod "secrets" (append .pod.secrets (dict "volume" .volume "path" .path "name" $name "items" .key.items)) -}}
{{- end -}}

{{/* A volume's name is a DNS label, shorter and of fewer characters than a client's; no two become the same. */}}
{{- define "token-broker.keyVolume" -}}
{{- if regexMatch "^[-a-z0-9]{1,46}$" . -}}
token-broker-key-{{ . }}
{{- else -}}
token-broker-key-{{ regexReplaceAll "[^-a-z0-9]" . "-" | trunc 37 }}-{{ sha256sum . | trunc 8 }}
{{- end -}}
{{- end -}}

{{/* Every key file of the configuration has to be mounted. A relative path, or one with a variable, is left alone. */}}
{{- define "token-broker.checkKeyFiles" -}}
{{- $extra := .scope.Values.extraVolumeMounts -}}
{{- $wanted := dict -}}
{{- range $client, $content := .clients -}}
{{- $keys := pick ($content | default dict) "private_key" -}}
{{- range $position, $key := ($content | default dict).private_keys -}}
{{- $_ := set $keys (printf "private_keys[%d]" $position) $key -}}
{{- end -}}
{{- range $place, $key := $keys -}}
{{- range $name, $path := pick ($key | default dict) "file" "kid_file" "passphrase_file" -}}
{{- $_ := set $wanted (printf "%sconfig.clients.%s.%s.%s" $.prefix $client $place $name) ($path | default "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or $wanted (not .config)) (not .secrets) (not $extra) -}}
{{- fail (printf "there is no private key: name the Secret that holds it in %skey.existingSecret, or one for each client under %skeys; one that comes in another way needs %sextraVolumeMounts" .prefix .prefix .prefix) -}}
{{- end -}}
{{- range $place, $path := $wanted -}}
{{- $path = regexReplaceAll "^/run/" $path "/var/run/" -}}
{{- $there := or (not (hasPrefix "/" $path)) (contains "${" $path) -}}
{{- $have := list -}}
{{- range $secret := $.secrets -}}
{{- range .items -}}
{{- $have = append $have (printf "%s/%s" $secret.path .path) -}}
{{- else -}}
{{- $have = append $have (printf "%s/<entry of Secret %s>" .path .name) -}}
{{- $there = or $there (eq (dir $path) .path) -}}
{{- end -}}
{{- end -}}
{{- range $extra -}}
{{- $have = append $have .mountPath -}}
{{- $there = or $there (eq $path .mountPath) (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path) -}}
{{- end -}}
{{- if not (or $there (has $path $have)) -}}
{{- fail (printf "%s is %s, and nothing is mounted there; mounted is %s" $place $path (join ", " $have)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A broker without a file may be told everything by variables, or find one that the chart knows nothing of. */}}
{{- define "token-broker.mountConfig" -}}
{{- $values := .scope.Values -}}
{{- $_ := set . "configMap" "" -}}
{{- if or $values.config $values.existingConfigMap -}}
{{- $_ := set . "configMap" (include "token-broker.configMapName" .scope) -}}
{{- $_ := set . "mounts" (append .mounts (dict "name" "token-broker-config" "mountPath" "/etc/token-broker")) -}}
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
