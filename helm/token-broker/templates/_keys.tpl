{{/*
Fails when a value is a private key, or has one in it: it would be stored with the release, and `helm get values` would
print it. Looked for are PEM; a JWK, whose private half is "d" for every type of key (RFC 7518, RFC 8037), as keys or as
text; DER in base64; and all of them in base64 again.
*/}}
{{- define "token-broker.refuseKeys" -}}
{{- $found := false -}}
{{- if kindIs "map" .value -}}
{{- $found = and (hasKey .value "kty") (hasKey .value "d") -}}
{{- range $name, $value := .value -}}
{{- include "token-broker.refuseKeys" (dict "at" (printf "%s.%s" $.at $name | trimPrefix ".") "value" $value) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $position, $value := .value -}}
{{- include "token-broker.refuseKeys" (dict "at" (printf "%s[%d]" $.at $position) "value" $value) -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- $found = include "token-broker.holdsKey" (dict "text" .value "layers" 2) -}}
{{- end -}}
{{- if $found -}}
{{- fail (printf "%s holds a private key, which would be stored with every release; put the key into a Secret, and the name of that into key.existingSecret" .at) -}}
{{- end -}}
{{- end -}}

{{/* Prints something if there is a key in the text, or in what it is base64 of, `layers` deep. */}}
{{- define "token-broker.holdsKey" -}}
{{- $text := .text -}}
{{- /* Quotes may be escaped, where JSON is a text within a text. */ -}}
{{- $jwk := and (regexMatch "\\bkty\\b" $text) (regexMatch "(^|[{,\\s\"'])d[\\\\\"']*\\s*:" $text) -}}
{{- if or $jwk (contains "PRIVATE KEY-----" $text) -}}
found
{{- else -}}
{{- /* Often wrapped, and written with the characters of URLs. */ -}}
{{- range concat (regexFindAll "[\\w+/-]{40,}" $text -1) (regexFindAll "[\\w+/-]{40,}" (regexReplaceAll "(\\\\n|\\s)+" $text "") -1) | uniq -}}
{{- $run := replace "-" "+" . | replace "_" "/" -}}
{{- /* SEQUENCE { INTEGER 0 or 1, …: PKCS #8, PKCS #1, SEC 1; no certificate and no public key starts so. */ -}}
{{- if regexMatch "^(M[A-H].CAQ[A-H]|MI[GH].AgE[AB]|MI[I-L]..[AQgw]IBA)" $run -}}
found
{{- else if $.layers -}}
{{- $padding := index (list "" "" "==" "=") (mod (len $run) 4) -}}
{{- include "token-broker.holdsKey" (dict "text" (printf "%s%s" $run $padding | b64dec) "layers" (sub $.layers 1)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
