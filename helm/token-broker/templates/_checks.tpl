{{/*
What would otherwise show in a Pod only, as one that does not start.
*/}}

{{/* No volume's name is there twice, no two mounts are at one place, and none is within or around one of the chart's. */}}
{{- define "token-broker.checkMounts" -}}
{{- $names := list -}}
{{- range .volumes -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range .scope.Values.extraVolumes -}}
{{- if has .name $names -}}
{{- fail (printf "%sextraVolumes has a volume %s, and there is one of that name already; give it another" $.prefix .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $mounts := list -}}
{{- range .mounts -}}
{{- $at := eq .name "token-broker-sinks" | ternary (printf "%ssinks.mountPath" $.prefix) (printf "the place of the volume %s" .name) -}}
{{- $mounts = append $mounts (dict "at" $at "name" .name "said" .mountPath "path" (include "token-broker.realPath" .mountPath) "ours" true) -}}
{{- end -}}
{{- range $position, $mount := .scope.Values.extraVolumeMounts -}}
{{- $at := printf "%sextraVolumeMounts[%d].mountPath" $.prefix $position -}}
{{- $mounts = append $mounts (dict "at" $at "name" .name "said" .mountPath "path" (include "token-broker.realPath" .mountPath) "ours" false) -}}
{{- end -}}
{{- range $position, $mount := $mounts -}}
{{- range slice $mounts 0 $position -}}
{{- $nested := or (hasPrefix (printf "%s/" .path) $mount.path) (hasPrefix (printf "%s/" $mount.path) .path) -}}
{{- if or (eq .path $mount.path) (and .ours $nested) -}}
{{- fail (printf "%s is %s, and the volume %s is mounted at %s; choose a place that is neither the same nor within or around it" $mount.at $mount.said .name .said) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Without a link, which /run is, or /var/run, depending on the image. */}}
{{- define "token-broker.realPath" -}}
{{- regexReplaceAll "^/run/" (clean .) "/var/run/" -}}
{{- end -}}

{{/* Each file that the configuration names is mounted, or can be written. */}}
{{- define "token-broker.checkFiles" -}}
{{- $at := printf "%sconfig" .prefix -}}
{{- $keyed := false -}}
{{- range .mounts -}}
{{- $keyed = or $keyed (hasPrefix "token-broker-key" .name) -}}
{{- end -}}
{{- range $client, $content := .clients -}}
{{- $client = printf "%s.clients.%s" $at $client -}}
{{- $content = $content | default dict -}}
{{- $keys := pick $content "private_key" -}}
{{- range $position, $key := $content.private_keys -}}
{{- $_ := set $keys (printf "private_keys[%d]" $position) $key -}}
{{- end -}}
{{- range $place, $key := $keys -}}
{{- if not (or $keyed $.scope.Values.extraVolumeMounts) -}}
{{- include "token-broker.noKey" $ -}}
{{- end -}}
{{- range $name, $path := pick ($key | default dict) "file" "kid_file" "passphrase_file" "certificate_file" -}}
{{- include "token-broker.checkFile" (dict "pod" $ "at" (printf "%s.%s.%s" $client $place $name) "path" $path) -}}
{{- end -}}
{{- end -}}
{{- include "token-broker.checkFile" (dict "pod" $ "at" (printf "%s.assertion_file" $client) "path" $content.assertion_file "hint" "; a projected volume can bring it, by extraVolumes and extraVolumeMounts") -}}
{{- end -}}
{{- if not (or .config $keyed .scope.Values.extraVolumeMounts) -}}
{{- include "token-broker.noKey" . -}}
{{- end -}}
{{- range $name, $caller := (.config.api | default dict).callers -}}
{{- $hint := printf "; name the Secret that holds it in %scallers.%s.existingSecret, or write create: true there and here" $.prefix $name -}}
{{- include "token-broker.checkFile" (dict "pod" $ "at" (printf "%s.api.callers.%s.secret_file" $at $name) "path" ($caller | default dict).secret_file "hint" $hint) -}}
{{- end -}}
{{- range $name, $token := .config.tokens -}}
{{- if or (not $.tokens) (has $name $.tokens) -}}
{{- range $position, $sink := ($token | default dict).sinks -}}
{{- $hint := $.scope.Values.sinks.enabled | ternary "" (printf "; switch on %ssinks.enabled, and write into %s" $.prefix $.scope.Values.sinks.mountPath) -}}
{{- include "token-broker.checkFile" (dict "pod" $ "at" (printf "%s.tokens.%s.sinks[%d].path" $at $name $position) "path" ($sink | default dict).path "hint" $hint) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.noKey" -}}
{{- fail (printf "there is no private key: name the Secret that holds it in %skey.existingSecret, or one for each client under %skeys; one that comes in another way needs %sextraVolumeMounts" .prefix .prefix .prefix) -}}
{{- end -}}

{{/* A relative path, or one with a variable, is left alone. */}}
{{- define "token-broker.checkFile" -}}
{{- $path := include "token-broker.realPath" (.path | default "") -}}
{{- $there := or (not (hasPrefix "/" $path)) (contains "${" $path) -}}
{{- $have := list -}}
{{- range .pod.files -}}
{{- if .folder -}}
{{- $have = append $have (printf "%s/<%s>" .folder .of) -}}
{{- $there = or $there (eq (dir $path) (include "token-broker.realPath" .folder)) -}}
{{- else -}}
{{- $have = append $have .path -}}
{{- $there = or $there (eq $path (include "token-broker.realPath" .path)) -}}
{{- end -}}
{{- end -}}
{{- range .pod.scope.Values.extraVolumeMounts -}}
{{- $mounted := include "token-broker.realPath" .mountPath -}}
{{- $have = append $have .mountPath -}}
{{- $there = or $there (eq $path $mounted) (hasPrefix (printf "%s/" (trimSuffix "/" $mounted)) $path) -}}
{{- end -}}
{{- if not $there -}}
{{- fail (printf "%s is %s, and nothing is mounted there; mounted is %s%s" .at .path (join ", " $have | default "nothing") (.hint | default "")) -}}
{{- end -}}
{{- end -}}

{{/* A caller that is told by its user is so on a socket only. */}}
{{- define "token-broker.checkUsers" -}}
{{- $elsewhere := .scope.Values.unixSocket.enabled -}}
{{- range .scope.Values.extraEnv -}}
{{- $elsewhere = or $elsewhere (eq .name "TOKEN_BROKER_API_LISTEN") -}}
{{- end -}}
{{- range $name, $caller := (.config.api | default dict).callers -}}
{{- if not (or $elsewhere (kindIs "invalid" ($caller | default dict).uid)) -}}
{{- fail (printf "%sconfig.api.callers.%s.uid is known on a Unix socket only; switch on %sunixSocket.enabled" $.prefix $name $.prefix) -}}
{{- end -}}
{{- end -}}
{{- end -}}
