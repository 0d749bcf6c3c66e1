{{/*
What the API server adds to a labelled Pod, as CEL. The sidecar and its volumes are those that an application's chart
includes: they are rendered once, and translated.
*/}}

{{- define "token-broker.injectorName" -}}
{{- include "token-broker.objectName" (dict "scope" . "suffix" "injector") -}}
{{- end -}}

{{/* Sets sidecar (a list of one) and podVolumes, of which the first two are the Pod's Secret and ConfigMap. */}}
{{- define "token-broker.injected" -}}
{{- $key := dict "existingSecret" "stand-in" "items" list -}}
{{- $_ := set . "values" (dict "key" $key "keys" dict "config" dict "existingConfigMap" "stand-in" "tokens" list) -}}
{{- include "token-broker.variant" . -}}
{{- $_ := set . "sidecar" (include "token-broker.sidecar" .scope | fromYamlArray) -}}
{{- $_ := set . "podVolumes" (include "token-broker.volumes" .scope | fromYamlArray) -}}
{{- /* By their place, not by the name that stands in: a Secret of extraVolumes may be called so. */ -}}
{{- $_ := set (index .podVolumes 0).secret "secretName" (dict "=" "variables.secret") -}}
{{- $_ := set (index .podVolumes 1).configMap "name" (dict "=" "variables.config") -}}
{{- range .root.Values.extraEnv -}}
{{- if eq .name "TOKEN_BROKER_TOKENS" -}}
{{- fail "extraEnv sets TOKEN_BROKER_TOKENS, which an injected Pod chooses by the annotation token-broker.dev/tokens; take it out of the release that has injector.enabled" -}}
{{- end -}}
{{- end -}}
{{- with .root.Values.tokens -}}
{{- fail "tokens is for a chart that includes the sidecar; an injected Pod chooses by the annotation token-broker.dev/tokens, so leave tokens empty in the release that has injector.enabled" -}}
{{- end -}}
{{- end -}}

{{/*
A value as a CEL literal of `type`, the path of its field from Object. The API server compares that path with where the
value is put, and takes no map of mixed types: only a field that maps strings to strings is written as one. {"=": …} is
an expression already.
*/}}
{{- define "token-broker.cel" -}}
{{- $brackets := list "[" "]" -}}
{{- $parts := list -}}
{{- if kindIs "map" .value -}}
{{- $strings := has (splitList "." .type | last) (list "annotations" "labels" "limits" "matchLabels" "options" "requests" "volumeAttributes") -}}
{{- $brackets = list (printf "%s{" (ternary "" .type $strings)) "}" -}}
{{- range $name, $value := .value -}}
{{- if $strings -}}
{{- $parts = append $parts (printf "%s: %s" (toJson $name) (toString $value | toJson)) -}}
{{- else -}}
{{- $parts = append $parts (printf "%s: %s" $name (include "token-broker.cel" (dict "value" $value "type" (printf "%s.%s" $.type $name)))) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range .value -}}
{{- $parts = append $parts (include "token-broker.cel" (dict "value" . "type" $.type)) -}}
{{- end -}}
{{- end -}}
{{- if not (or (kindIs "map" .value) (kindIs "slice" .value)) -}}
{{- toJson .value -}}
{{- else if and (kindIs "map" .value) (hasKey .value "=") -}}
{{- index .value "=" -}}
{{- else if lt (len (join ", " $parts)) 80 -}}
{{- first $brackets }}{{ join ", " $parts }}{{ last $brackets -}}
{{- else -}}
{{- first $brackets }}{{ join ",\n" $parts | nindent 2 }}
{{ last $brackets -}}
{{- end -}}
{{- end -}}

{{/* The expression that has the value of an annotation, or of the default. */}}
{{- define "token-broker.annotation" -}}
{{- $key := toJson (printf "token-broker.dev/%s" .name) -}}
has(object.metadata.annotations) && {{ $key }} in object.metadata.annotations
  ? object.metadata.annotations[{{ $key }}] : {{ toJson .default }}
{{- end -}}

{{/* The same, where the annotation is either absent or matches. */}}
{{- define "token-broker.annotationMatches" -}}
{{- $key := toJson (printf "token-broker.dev/%s" .name) -}}
!has(object.metadata.annotations) || !({{ $key }} in object.metadata.annotations) ||
object.metadata.annotations[{{ $key }}].matches({{ toJson .pattern }})
{{- end -}}

{{- define "token-broker.hasSidecar" -}}
has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == "token-broker")
{{- end -}}

{{/* That a volume's name does not begin with `prefix`, and is none of `names`. */}}
{{- define "token-broker.otherVolume" -}}
!{{ .name }}.startsWith({{ toJson .prefix }}){{ with .names }} && !({{ $.name }} in {{ toJson . }}){{ end }}
{{- end -}}

{{/*
Pods that the injector leaves alone, and which are then refused with the message: what is not true of them. A mutation
cannot say why it does not take place. Each has to hold of a Pod that has been injected, too, and of one that a debug
container is added to.
*/}}
{{- define "token-broker.injectable" -}}
{{- $name := "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?" -}}
{{- $token := "[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?" -}}
{{- $added := list -}}
{{- /* The broker's alone. Its socket, files with tokens and a caller's secret are for whoever mounts them. */ -}}
{{- $private := list "token-broker-config" "token-broker-callers" -}}
{{- range .root.Values.extraVolumes -}}
{{- $added = append $added .name -}}
{{- if not (hasKey . "emptyDir") -}}
{{- $private = append $private .name -}}
{{- end -}}
{{- end -}}
{{- $ports := .root.Values.ports -}}
- name: pod-network
  expression: |-
    !has(object.spec.hostNetwork) || !object.spec.hostNetwork
  message: >-
    hostNetwork: true would put the broker on the node's loopback, where every process of the node could ask it for
    tokens; leave hostNetwork out, or take the label token-broker.dev/inject off the Pod
- name: own-processes
  expression: |-
    (!has(object.spec.shareProcessNamespace) || !object.spec.shareProcessNamespace) &&
    (!has(object.spec.hostPID) || !object.spec.hostPID)
  message: >-
    shareProcessNamespace and hostPID would let other containers look into the broker's process, which has the private
    key; leave them out, or take the label token-broker.dev/inject off the Pod
- name: linux
  expression: |-
    !has(object.spec.os) || object.spec.os.name != "windows"
  message: >-
    spec.os.name is windows, and the broker's image is for Linux; take the label token-broker.dev/inject off the Pod
- name: secret-named
  expression: |-
    {{- include "token-broker.annotationMatches" (dict "name" "key-secret" "pattern" (printf "^%s$" $name)) | nindent 4 }}
  message: >-
    the annotation token-broker.dev/key-secret must be the name of a Secret of this namespace, or be left out
- name: config-named
  expression: |-
    {{- include "token-broker.annotationMatches" (dict "name" "config" "pattern" (printf "^%s$" $name)) | nindent 4 }}
  message: >-
    the annotation token-broker.dev/config must be the name of a ConfigMap of this namespace, or be left out
- name: tokens-named
  expression: |-
    {{- include "token-broker.annotationMatches" (dict "name" "tokens" "pattern" (printf "^%s( *, *%s)*$" $token $token)) | nindent 4 }}
  message: >-
    the annotation token-broker.dev/tokens must be names of tokens, with commas between them, or be left out
- name: ports-free
  expression: |-
    (object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])).all(c,
      c.name == "token-broker" || !has(c.ports) ||
      c.ports.all(p, p.containerPort != {{ int $ports.api }} && p.containerPort != {{ int $ports.admin }}))
  message: >-
    another container has port {{ int $ports.api }} or {{ int $ports.admin }}, which are the broker's; give it another containerPort
- name: name-free
  expression: |-
    object.spec.containers.all(c, c.name != "token-broker")
  message: >-
    a container of the Pod is called token-broker, which is to be the sidecar's name; give it another name
- name: volumes-free
  expression: |-
    {{ include "token-broker.hasSidecar" . }} ||
    !has(object.spec.volumes) ||
    object.spec.volumes.all(v, {{ include "token-broker.otherVolume" (dict "name" "v.name" "prefix" "token-broker-" "names" $added) }})
  message: >-
    a volume of the Pod has a name that is kept for the broker's ({{ prepend $added "token-broker-*" | join ", " }}); give it another name
- name: mounts-free
  expression: |-
    (
      object.spec.containers +
      (has(object.spec.initContainers) ? object.spec.initContainers.filter(c, c.name != "token-broker") : []) +
      (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : [])
    ).all(c, !has(c.volumeMounts) || c.volumeMounts.all(m,
      {{ include "token-broker.otherVolume" (dict "name" "m.name" "prefix" "token-broker-key" "names" $private) }}))
  message: >-
    a container mounts a volume that is the broker's alone ({{ prepend $private "token-broker-key*" | join ", " }});
    take that mount out, and let the container ask the broker for tokens
{{- end -}}

{{/* What both policies are asked about. */}}
{{- define "token-broker.injectorMatches" -}}
failurePolicy: {{ .Values.injector.failurePolicy }}
matchConstraints:
  matchPolicy: Equivalent
  {{- with .Values.injector.excludedNamespaces }}
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: {{ toJson . }}
  {{- end }}
  objectSelector:
    matchLabels:
      token-broker.dev/inject: "true"
  resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE]
      resources: [pods]
{{- end -}}
