{{/* Name of all objects. */}}
{{- define "vip.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 24 | trimSuffix "-") $name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of objects outside of namespaces. Cluster API's installers remove such an object only if its name begins with the namespace. */}}
{{- define "vip.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "vip.fullname" .) -}}
{{- end -}}

{{/* What selects the pods. It can never be changed, and is the same in every way of installing. */}}
{{- define "vip.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
cluster.x-k8s.io/provider: addon-{{ .Chart.Name }}
control-plane: controller-manager
{{- end -}}

{{/* Name of the objects of the pages in the cluster. */}}
{{- define "vip.uiName" -}}
{{- printf "%s-ui" (include "vip.fullname" .) -}}
{{- end -}}

{{/* What selects the pod of the pages, and none of the operator's. */}}
{{- define "vip.uiSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ui
{{- end -}}

{{/* What pods may reach where policies limit it: DNS, and the API server. */}}
{{- define "vip.egress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{- define "vip.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
cluster.x-k8s.io/provider: addon-{{ .Chart.Name }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of an object: its own, as the second of a list, and those of all. */}}
{{- define "vip.annotations" -}}
{{- $own := dict -}}
{{- if gt (len .) 1 -}}
{{- $own = index . 1 | default dict -}}
{{- end -}}
{{- with merge (dict) $own (index . 0).Values.commonAnnotations -}}
{{- dict "annotations" . | toYaml | nindent 2 -}}
{{- end -}}
{{- end -}}

{{- define "vip.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vip.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The operator as the API server knows it. */}}
{{- define "vip.user" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "vip.serviceAccountName" .) -}}
{{- end -}}

{{/* What limits the binding of a policy to the objects of this operator, not those of another beside it. */}}
{{- define "vip.matchResources" -}}
{{- with .Values.controller }}
{{- if or .namespace .watchFilter }}
matchResources:
  {{- if .namespace }}
  namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .namespace }}
  {{- end }}
  {{- if .watchFilter }}
  objectSelector:
    matchLabels:
      cluster.x-k8s.io/watch-filter: {{ .watchFilter | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Rancher's default registry takes the place of ghcr.io. A repository elsewhere is there on purpose, and stays. */}}
{{- define "vip.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with dig "cattle" "systemDefaultRegistry" "" .Values.global -}}
{{- $host := splitList "/" $repository | first -}}
{{- $plain := not (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) -}}
{{- if or $plain (eq $host "ghcr.io") -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (trimPrefix "ghcr.io/" $repository) -}}
{{- end -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The operator's config file. */}}
{{- define "vip.config" -}}
retryInterval: {{ .Values.controller.retryInterval | quote }}
reconcilePeriod: {{ .Values.controller.reconcilePeriod | quote }}
probeTimeout: {{ .Values.controller.probeTimeout | quote }}
defaultPort: {{ .Values.defaults.port }}
baseDomain: {{ .Values.defaults.baseDomain | quote }}
{{- with .Values.defaults.dnsNames }}
dnsNames:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controller.poolKinds }}
poolKinds:
{{- range . }}
- apiVersion: {{ .apiVersion | quote }}
  kind: {{ .kind | quote }}
{{- end }}
{{- end }}
{{- if .Values.runtimeExtension.enabled }}
runtimeExtension: true
{{- end }}
{{- end -}}

{{/* The rules that the pools of other providers need, as a list: of those in namespaces, or of those outside. */}}
{{- define "vip.poolRules" -}}
{{- $scope := .scope }}
{{- $verbs := default (list "list" "watch") .verbs }}
{{- range .kinds }}
{{- if eq $scope (default "Namespaced" .scope) }}
- apiGroups: [{{ .apiVersion | splitList "/" | first | quote }}]
  resources: [{{ default (printf "%ss" (lower .kind)) .resource | quote }}]
  verbs: {{ toJson $verbs }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Name of the Service and the roles of the runtime extension. There can be one in a management cluster, and the operator looks for this name. */}}
{{- define "vip.extension" -}}
capi-vip-allocator-runtime-extension
{{- end -}}

{{/* Name of the ClusterRole that owns the ExtensionConfig. */}}
{{- define "vip.extensionOwner" -}}
{{- printf "%s-runtime-extension" (include "vip.clusterName" .) -}}
{{- end -}}

{{/* Flags. What has its default is left out, so that Cluster API's installers can add it. */}}
{{- define "vip.args" -}}
- --config=/etc/capi-vip-allocator/config.yaml
- --leader-elect=true
- --health-addr=:9440
- --diagnostics-address={{ if .Values.metrics.enabled }}:8443{{ else }}0{{ end }}
{{- if and .Values.metrics.enabled .Values.metrics.insecure }}
- --insecure-diagnostics=true
{{- end }}
{{- if .Values.metrics.certificate.secret }}
- --diagnostics-cert-dir=/etc/capi-vip-allocator-metrics
{{- end }}
{{- if .Values.runtimeExtension.enabled }}
- --runtime-extension-owner={{ include "vip.extensionOwner" . }}
{{- if .Values.runtimeExtension.clientCAConfigMap }}
- --webhook-client-ca-file=/etc/capi-vip-allocator-clients/ca.crt
{{- end }}
{{- end }}
{{- with .Values.controller }}
{{- if ne .leaderElection.leaseDuration "15s" }}
- --leader-elect-lease-duration={{ .leaderElection.leaseDuration }}
{{- end }}
{{- if ne .leaderElection.renewDeadline "10s" }}
- --leader-elect-renew-deadline={{ .leaderElection.renewDeadline }}
{{- end }}
{{- if ne .leaderElection.retryPeriod "2s" }}
- --leader-elect-retry-period={{ .leaderElection.retryPeriod }}
{{- end }}
{{- if ne (int .concurrency) 10 }}
- --max-concurrent-reconciles={{ .concurrency }}
{{- end }}
{{- if .namespace }}
- --namespace={{ .namespace }}
{{- end }}
{{- if .watchFilter }}
- --watch-filter={{ .watchFilter }}
{{- end }}
{{- if ne .logLevel "info" }}
- --log-level={{ .logLevel }}
{{- end }}
{{- if ne .logFormat "json" }}
- --log-format={{ .logFormat }}
{{- end }}
{{- range .extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A value as a CEL expression. CEL wants all values of a map or a list to be of one type, and dyn is one. */}}
{{- define "vip.cel" -}}
{{- if kindIs "map" . -}}
{ {{- range $i, $key := keys . | sortAlpha }}{{ if $i }}, {{ end }}{{ $key | toJson }}: dyn({{ include "vip.cel" (get $ $key) }}){{ end -}} }
{{- else if kindIs "slice" . -}}
[ {{- range $i, $value := . }}{{ if $i }}, {{ end }}dyn({{ include "vip.cel" $value }}){{ end -}} ]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* The length of a duration. Templates can add one to a time, and have no other way to read it. */}}
{{- define "vip.nanoseconds" -}}
{{- $zero := toDate "2006-01-02 MST" "2000-01-01 UTC" -}}
{{- ((dateModify (printf "+%s" .) $zero).Sub $zero).Nanoseconds -}}
{{- end -}}

{{/* Refuses a value that does not look as files/formats.yaml says, and says what does. */}}
{{- define "vip.check" -}}
{{- $ := . -}}
{{- if not .keys -}}
{{- $text := ternary "" (toString .value) (kindIs "invalid" .value) -}}
{{- if not (regexMatch .format.pattern $text) -}}
{{- fail (printf "%s: %q is refused, accepted is %s" .path $text .format.accepts) -}}
{{- end -}}
{{- else if and (eq (first .keys) "*") (kindIs "slice" .value) -}}
{{- range $i, $value := .value -}}
{{- $path := printf "%s[%d]" $.path $i -}}
{{- include "vip.check" (dict "value" $value "keys" (rest $.keys) "path" $path "format" $.format) -}}
{{- end -}}
{{- else if and (eq (first .keys) "*") (kindIs "map" .value) -}}
{{- range $key, $value := .value -}}
{{- $path := printf "%s.%s" $.path $key -}}
{{- include "vip.check" (dict "value" $value "keys" (rest $.keys) "path" $path "format" $.format) -}}
{{- end -}}
{{- else if kindIs "map" .value -}}
{{- $key := first .keys -}}
{{- if or (hasKey .value $key) (eq (len .keys) 1) -}}
{{- $path := printf "%s.%s" .path $key | trimPrefix "." -}}
{{- include "vip.check" (dict "value" (get .value $key) "keys" (rest .keys) "path" $path "format" .format) -}}
{{- end -}}
{{- end -}}
{{- end -}}
