{{/* Names and labels of every object, nothing else. */}}

{{- define "face-comparison.name" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* Name of objects outside any namespace: two releases of one name must not share them. */}}
{{- define "face-comparison.clusterName" -}}
{{ include "face-comparison.name" . }}:{{ .Release.Namespace }}
{{- end -}}

{{- define "face-comparison.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "face-comparison.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "face-comparison.lease" -}}
{{ include "face-comparison.name" . }}-operator
{{- end -}}

{{/* What the API server calls the operator. */}}
{{- define "face-comparison.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "face-comparison.serviceAccountName" . }}
{{- end -}}

{{/* A mapping as one option of the operator: key=value,key=value. */}}
{{- define "face-comparison.pairs" -}}
{{- $pairs := list -}}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $key $value) }}{{ end -}}
{{ join "," $pairs }}
{{- end -}}

{{/* What selects the operator's pods; part of immutable fields, so it never changes. */}}
{{- define "face-comparison.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "face-comparison.labels" -}}
{{ include "face-comparison.selector" . }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Reference of one of the images, by its key in the values: list $ "operator". A reference without a registry is completed
by the container runtime with a public one, where the name may be anybody's, so it is an error here.
*/}}
{{- define "face-comparison.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.image (index . 1) -}}
{{- $name := $image.repository -}}
{{- with $root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if not (regexMatch "^([^/]*[.:][^/]*|localhost)/" $name) -}}
{{- fail (printf "image.registry: %q does not include a registry. No image of this product is published: build them (`make images`), push them to your registry, and set it, for example --set image.registry=registry.example.com/team" $name) -}}
{{- end -}}
{{ $name }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The group of the volume of an embedded store; OpenShift gives pods one of the project's range. */}}
{{- define "face-comparison.storeGroup" -}}
{{- $group := toString .Values.storeGroup -}}
{{- if eq $group "auto" -}}
{{- ternary "" "65532" (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}
{{- else if ne $group "none" -}}
{{- $group -}}
{{- end -}}
{{- end -}}
