{{/*
Sets scope: the one of this chart in root, with `values` in the place of its own. For what the chart itself attaches a
broker to, with the templates that others include; what a broker shares with an application is not in it.
*/}}
{{- define "token-broker.variant" -}}
{{- $values := deepCopy .root.Values -}}
{{- range $name := list "sinks" "unixSocket" -}}
{{- $_ := set (index $values $name) "enabled" false -}}
{{- end -}}
{{- $_ := set $values "callers" dict -}}
{{- range $name, $value := .values -}}
{{- $_ := set $values $name $value -}}
{{- end -}}
{{- $_ := set . "scope" (dict "Values" $values "Chart" .root.Chart "Release" .root.Release "Capabilities" .root.Capabilities "Template" .root.Template) -}}
{{- end -}}
