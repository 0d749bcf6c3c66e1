{{/*
From what a template was called with to what it needs. A template gives back text only, so these fill in the dict that
they are given, in this order:
  called, template             what the template was called with, and its name
  scope, prefix, tokens        this chart's own scope, what stands before its values in the values file, the chosen tokens
  config, clients              what the chart knows of the configuration ({}: nothing), and the clients of those tokens
  mounts, volumes, files       what the container mounts, what is behind that, and which files can be there
*/}}
{{- define "token-broker.resolve" -}}
{{- include "token-broker.scope" . -}}
{{- /* Helm compares the kubeVersion of the chart that is released, and not those of its dependencies. */ -}}
{{- $kubernetes := .scope.Capabilities.KubeVersion.Version -}}
{{- if semverCompare "<1.29.0-0" $kubernetes -}}
{{- fail (printf "%s makes a native sidecar, which Kubernetes has from 1.29 on; this is %s" .template $kubernetes) -}}
{{- end -}}
{{- with .scope.Values.ports -}}
{{- if eq (int .api) (int .admin) -}}
{{- fail (printf "%sports.api and %sports.admin are both %d; each listener needs a port of its own" $.prefix $.prefix (int .api)) -}}
{{- end -}}
{{- end -}}
{{- include "token-broker.refuseKeys" (dict "at" (trimSuffix "." .prefix) "value" (omit .scope.Values "global")) -}}
{{- include "token-broker.readConfig" . -}}
{{- include "token-broker.readMounts" . -}}
{{- end -}}

{{- define "token-broker.scope" -}}
{{- $called := .called -}}
{{- if not (kindIs "map" $called) -}}
{{- fail (printf "%s wants the scope of a chart; inside range and with that is $" .template) -}}
{{- end -}}
{{- $chart := $called -}}
{{- if hasKey $called "context" -}}
{{- $chart = $called.context -}}
{{- $knows := .knows | default (list "context" "tokens") -}}
{{- range keys $called | sortAlpha -}}
{{- if not (has . $knows) -}}
{{- fail (printf "%s knows %s, not %s" $.template (join " and " $knows) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (and (kindIs "map" $chart) (hasKey $chart "Chart") (hasKey $chart "Template")) -}}
{{- fail (printf "%s wants the scope of a chart, or (dict \"context\" $ \"tokens\" (list …))" .template) -}}
{{- end -}}
{{- $ours := list -}}
{{- $folder := trimSuffix "/templates" $chart.Template.BasePath -}}
{{- /* Not by the name: an alias changes it, here and in the dependency's own scope. */ -}}
{{- if index ($chart.Chart.Annotations | default dict) "token-broker.dev/chart" -}}
{{- $ours = list $chart -}}
{{- else -}}
{{- range $chart.Subcharts -}}
{{- if index (.Chart.Annotations | default dict) "token-broker.dev/chart" -}}
{{- /* Where it is, which its objects are named after, Helm says within its own templates only. */ -}}
{{- $template := dict "BasePath" (printf "%s/charts/%s/templates" $folder .Chart.Name) -}}
{{- $ours = append $ours (dict "Chart" .Chart "Values" .Values "Release" .Release "Capabilities" .Capabilities "Template" $template) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $ours -}}
{{- fail (printf "%s is included, and the chart %s has no dependency token-broker, or its condition is off; put the include into an if of the same condition" .template $chart.Chart.Name) -}}
{{- end -}}
{{- if gt (len $ours) 1 -}}
{{- fail (printf "the chart %s depends on token-broker more than once; say which one is meant: (dict \"context\" (index .Subcharts \"alias\"))" $chart.Chart.Name) -}}
{{- end -}}
{{- $scope := first $ours -}}
{{- $_ := set . "scope" $scope -}}
{{- $_ := set . "prefix" (ternary "" (printf "%s." $scope.Chart.Name) $scope.Chart.IsRoot) -}}
{{- $_ := set . "tokens" (hasKey $called "tokens" | ternary $called.tokens $scope.Values.tokens) -}}
{{- if not (kindIs "slice" .tokens) -}}
{{- fail (printf "%s wants tokens as a list of names: (list \"reports\")" .template) -}}
{{- end -}}
{{- end -}}
