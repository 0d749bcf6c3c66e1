{{/*
What several objects of the chart are made of. Each takes the scope of this chart.
*/}}

{{- define "token-broker.fullname" -}}
{{- include "token-broker.objectName" (dict "scope" . "suffix" "") -}}
{{- end -}}

{{/*
The name of an object: the release, the charts between the released one and this one, this one, and `suffix`; so two
charts of a release may both depend on this one. What has to be changed or cut to be a DNS label ends in a hash of the
whole: no two names become one.
*/}}
{{- define "token-broker.objectName" -}}
{{- $scope := .scope -}}
{{- $charts := splitList "/charts/" (trimSuffix "/templates" $scope.Template.BasePath) | rest -}}
{{- $own := $scope.Values.nameOverride | default $scope.Chart.Name -}}
{{- $whole := $scope.Values.fullnameOverride | default (append (initial $charts) $own | join "-" | printf "%s-%s" $scope.Release.Name) -}}
{{- with .suffix -}}
{{- $whole = printf "%s-%s" $whole . -}}
{{- end -}}
{{- $label := regexReplaceAll "[^-a-z0-9]" (lower $whole) "-" -}}
{{- if and (eq $label $whole) (le (len $label) 63) -}}
{{- $label -}}
{{- else -}}
{{- printf "%s-%s" (trunc 54 $label | trimSuffix "-") (sha256sum $whole | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.selectorLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "token-broker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{ include "token-broker.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{/* metadata of an object that people want to label: scope, labels, suffix. Theirs replace the chart's; null takes away. */}}
{{- define "token-broker.metadata" -}}
name: {{ include "token-broker.objectName" . | quote }}
namespace: {{ .scope.Release.Namespace | quote }}
labels:
  {{- $labels := include "token-broker.labels" .scope | fromYaml -}}
  {{- range $name, $value := .labels -}}
  {{- $labels = kindIs "invalid" $value | ternary (omit $labels $name) (set $labels $name $value) -}}
  {{- end -}}
  {{- toYaml $labels | nindent 2 }}
{{- end -}}

{{/* What the Pods that this chart makes itself have in common. */}}
{{- define "token-broker.podSettings" -}}
automountServiceAccountToken: false
{{- range $name := list "imagePullSecrets" "nodeSelector" "tolerations" }}
{{- with index $.Values $name }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "token-broker.image" -}}
{{- with .Values.image -}}
{{- .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/*
Everything that Pod Security "restricted" asks of a container: whose Pod it is, and what that Pod says, is not known.
*/}}
{{- define "token-broker.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop:
    - ALL
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}
