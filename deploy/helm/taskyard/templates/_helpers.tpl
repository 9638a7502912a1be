{{- define "taskyard.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "taskyard.labels" -}}
app.kubernetes.io/name: taskyard
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What selects the pods of a component; never changes in an upgrade. */}}
{{- define "taskyard.selector" -}}
app.kubernetes.io/name: taskyard
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "taskyard.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "taskyard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "taskyard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings of every process. */}}
{{- define "taskyard.settings" -}}
- {name: TASKYARD_GRACE_SECONDS, value: {{ .Values.graceSeconds | int64 | quote }}}
- {name: TASKYARD_METRICS_HOST, value: "0.0.0.0"}
- {name: TASKYARD_METRICS_PORT, value: "9464"}
- {name: TASKYARD_METRICS_HOSTS, value: {{ printf "%s-worker.%s,%s-worker" (include "taskyard.name" .) .Release.Namespace (include "taskyard.name" .) | quote }}}
{{- with .Values.taskModules }}
- {name: TASKYARD_TASK_MODULES, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* How an agent reaches the installation: Redis, and nothing else. */}}
{{- define "taskyard.redis" -}}
- name: TASKYARD_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.secretName }}, key: TASKYARD_REDIS_URL}}
{{- end }}

{{- define "taskyard.servers" -}}
{{ include "taskyard.redis" . }}
- name: TASKYARD_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.secretName }}, key: TASKYARD_DATABASE_URL}}
{{- end }}

{{/* Folders that are written to, since the image is read-only. */}}
{{- define "taskyard.mounts" -}}
- {name: data, mountPath: /var/lib/taskyard}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "taskyard.volumes" -}}
- {name: data, emptyDir: {}}
- {name: tmp, emptyDir: {}}
{{- end }}

{{/* What the worker writes and dashboard and API show; nothing without a claim. */}}
{{- define "taskyard.reportsMount" -}}
{{- if .Values.reports.claim }}
- {name: reports, mountPath: /var/lib/taskyard/reports}
{{- end }}
{{- end }}

{{- define "taskyard.reportsVolume" -}}
{{- with .Values.reports.claim }}
- {name: reports, persistentVolumeClaim: {claimName: {{ . | quote }}}}
{{- end }}
{{- end }}

{{/* Probes by a pod's own address, which every server accepts as its name. */}}
{{- define "taskyard.metricsProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* The pool file of all kinds, for workers: they keep none running, and know from it what each kind takes. */}}
{{- define "taskyard.allKinds" -}}
{{- $defaults := .Values.agentDefaults }}
{{- range $kind, $own := .Values.agents }}
{{- $its := mergeOverwrite (deepCopy $defaults) $own }}
[[agents]]
kind = {{ $kind | quote }}
count = 0
types = {{ $its.types | toJson }}
tags = {{ $its.tags | toJson }}
max_concurrency = {{ int64 $its.slots }}
{{ else }}
agents = []
{{ end }}
{{- end }}

{{/* Where the seats of a kind connect to. */}}
{{- define "taskyard.deskPort" -}}7070{{- end }}

{{- define "taskyard.seatNamespace" -}}
{{ (.its.engine.options | default dict).namespace | default .root.Release.Namespace }}
{{- end }}

{{/* The pool file of one kind; `name` is the kind's. */}}
{{- define "taskyard.kindPool" -}}
[[agents]]
kind = {{ .name | quote }}
types = {{ .its.types | toJson }}
tags = {{ .its.tags | toJson }}
max_concurrency = {{ int64 .its.slots }}
{{- with .its.engine }}
{{- $options := .options | default dict }}

[agents.engine]
{{- range $setting, $value := omit . "options" }}
{{ $setting }} = {{ toJson $value }}
{{- end }}
address = "in-cluster"
listen = "0.0.0.0:{{ include "taskyard.deskPort" $.root }}"

[agents.engine.options]
namespace = {{ include "taskyard.seatNamespace" $ | quote }}
image = {{ $options.image | default $.its.image | default (include "taskyard.image" $.root) | quote }}
{{- with $options.gpu_resource }}
gpu_resource = {{ . | quote }}
{{- end }}
template = "/etc/taskyard/seat.yaml"
{{- end }}
{{- end }}

{{/* What a seat's pod is made of, confined like all others; the agent adds what the engine's settings say. */}}
{{- define "taskyard.seatPod" -}}
metadata:
  labels: {{- include "taskyard.selector" (dict "root" .root "component" (printf "seat-%s" .name)) | nindent 4 }}
spec:
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext: {{- include "taskyard.podSecurity" .root | nindent 4 }}
  {{- with .its.seats.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .its.seats.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: seat
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext: {{- include "taskyard.containerSecurity" .root | nindent 8 }}
      {{- with .its.seats.env }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "taskyard.mounts" .root | nindent 8 }}
        {{- with .its.seats.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    {{- include "taskyard.volumes" .root | nindent 4 }}
    {{- with .its.seats.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}

{{/* Variables of a kind's agents. Those of its own take the place of settings, and of the URL with other credentials. */}}
{{- define "taskyard.agentEnv" -}}
{{- $own := list }}
{{- range .its.env }}{{ $own = append $own .name }}{{ end }}
{{- range concat (include "taskyard.settings" .root | fromYamlArray) (include "taskyard.redis" .root | fromYamlArray) }}
{{- if not (has .name $own) }}
{{ list . | toYaml }}
{{- end }}
{{- end }}
- name: TASKYARD_AGENT_SUFFIX
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .its.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
