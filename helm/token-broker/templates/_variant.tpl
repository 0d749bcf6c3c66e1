{{/*
Sets scope: the one of this chart in root, with `values` in the place of its own. For what the chart itself attaches a
broker to, with the templates that others include.
*/}}
{{- define "token-broker.variant" -}}
{{- $values := deepCopy .root.Values -}}
{{- range $name, $value := .values -}}
{{- $_ := set $values $name $value -}}
{{- end -}}
{{- $_ := set . "scope" (dict "Values" $values "Chart" .root.Chart "Release" .root.Release "Capabilities" .root.Capabilities) -}}
{{- end -}}
