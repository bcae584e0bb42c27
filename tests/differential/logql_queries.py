"""Questions to a log store: every row of docs/logql.md and around it, and generated compositions of stages and functions."""

import pathlib
import re

SELECTORS = ('{app="web"}', '{app="api"}', '{app="api",env="prod"}', '{app=~"web|api"}', '{app=~"web|api",env!="dev"}', '{app="broken"}',
             '{app="packed"}', '{job="meta"}', '{app="color"}', '{app="nginx"}', '{app="nginxjson"}', '{job="loghub"}',
             '{job="loghub",set=~"[A-L].*"}', '{app=~".+"}', '{env="prod",app!~"w.*"}', '{app="absent"}', '{pod=~".*-a", env="dev"}')

# Stages over any of the selectors.
STAGES = [
    "", '|= "found"', '!= "found"', '|~ "status=4.."', '!~ "(?i)ERROR"', '|= "found" or "timed"', '!= "found" or "timed"', '|~ "not" or "4.4"',
    '|~ `\\d{3}`', '|= "NOT FOUND"', '|~ "(?i)not found"', '|> "<_>level<_>"', '!> "<_>level<_>"', '|= ip("10.1.2.0/24")', '!= ip("10.0.0.0/8")',
    '|= ip("10.1.2.5-10.1.2.90")', '|= ip("2001:db8::/32")', '|= ""', '!= ""', '|~ ""', '|~ "^.{0,40}$"', '|= `"`', '|= "größe"',
    "| json", "| logfmt", "| logfmt --strict", "| logfmt --keep-empty", "| logfmt --strict --keep-empty", "| unpack", "| decolorize",
    "| json | __error__=\"\"", '| json | __error__!=""', '| logfmt --strict | __error__=""', "| unpack | __error__=\"\"", "| unpack | logfmt",
    '| json who="user.name", tag="tags[1]"', '| json role="user.roles[1].of"', '| json whole="user", list="tags"', "| json status, level",
    '| json dot="[\\"a.b\\"]"', '| json deep="nested.deep.er[2].x"', '| json missing="no.such"', '| json n="none", o="ok", r="ratio"',
    '| logfmt code="status", msg', '| logfmt who="user.name"', '| logfmt dash="a-b"', "| logfmt level, nothing", '| logfmt --keep-empty empty, bare',
    '| regexp "(?P<word>\\\\w+) (?P<next>\\\\w+)"', '| regexp "status\\\\W+(?P<status>\\\\d+)"', '| regexp "(?P<app>\\\\w+)"',
    '| pattern "<ip> - - [<_>] \\"<method> <path> <_>\\" <status> <bytes>"', '| pattern "<first> <second> <rest>"', '| pattern "<_> <app> <_>"',
    '| json | status=404', '| json | status>=400 | level="error"', "| json | took>20ms", "| json | took<=1s or status=500", "| json | size>5KB", "| json | size<100",
    "| json | ratio>1", '| json | ratio=0.25', '| json | ok="true"', '| json | level=~"w.*|error"', '| json | level!~"w.*|error"', '| json | msg="größe überschritten"',
    '| json | ip=ip("10.1.0.0/16")', '| json | ip!=ip("10.1.0.0/16")', '| json | user_name="ann" and status=200', '| json | user_name="ann", status=200',
    '| json | user_name="ann" status=200', '| json | (status=200 or level="error") and took<100ms', '| json | app_extracted="inner"', '| json | app="inner"',
    '| json | missing=""', '| json | missing!=""', "| json | missing>5", '| json | missing="x" or status=200', '| json | empty=""', '| json | none=""',
    "| logfmt | status!=200", "| logfmt | n>0", "| logfmt | n<-1.5e1", "| logfmt | took>=1m", "| logfmt | size>1KiB", '| logfmt | size!=ip("::1")',
    '| logfmt | level="warn" | line_format "{{.status}}"', '| logfmt | line_format "{{.level | ToUpper}} {{.msg | trunc 3}} {{__line__ | count \\"=\\"}}"',
    '| logfmt | ip=ip("10.1.2.1-10.1.2.100")', '| logfmt | user_name="ann"', '| logfmt | quoted=""', '| logfmt | bare=""',
    "| logfmt | drop level, status, took, size, msg, ip, n", '| logfmt | drop level="info"', '| logfmt | drop level=~"w.*", app', '| logfmt | keep level',
    '| logfmt | keep level="info"', '| logfmt | keep level=~"info|warn", env', "| json | drop __error__", "| json | drop __error__, __error_details__",
    "| json | keep __error__", "| drop app", "| keep app", "| drop env, pod | json | keep app, status", "| logfmt | label_format code=status",
    '| logfmt | label_format all="{{.level}}-{{.status}}"', '| logfmt | label_format level=status, other=level', '| logfmt | label_format app="x{{.app}}"',
    '| logfmt | label_format pod=missing', '| logfmt | label_format a="{{.missing}}"', '| label_format app=env', '| label_format x="{{.app}}", y="{{.x}}"',
    '| json | line_format "{{.user_name}} {{.status}} {{.took}}"', '| line_format "{{.app}}: {{__line__}}" |= "web"', '| json | line_format "{{.nope}}"',
    '| logfmt | level="error" |= "not" | label_format level="x"', '| json | json', '| logfmt | json', '| json | logfmt', '| unpack | json | keep pod, ns',
    '| line_format "{{.msg" ', '| json | level="error" or level="warn" | took > 10ms', '| http_status="404"', "| http_status>=400", '| trace_id!=""',
    '| detected_level="error"', '| detected_level=~"warn|error"', '| user="ann" | http_status=500', "| drop trace_id, http_status, user",
    '| keep trace_id', '| label_format user="{{.user}}!"', '| pod="meta-1"', '| service_name="web"', "| line_format `{{.trace_id}}`",
    '| logfmt | line_format "{{ if eq .level \\"info\\" }}i{{ else }}{{ .level }}{{ end }}"', '| json | line_format "{{ range $k, $v := . }}{{$k}}={{$v}};{{end}}" | keep app',
]

# Templates over logfmt's and JSON's labels.
TEMPLATES = [
    "{{ .level | upper }}", "{{ title .msg }}", '{{ Replace .msg "o" "0" -1 }}', '{{ .msg | replace "o" "0" }}', '{{ trim .msg }}', '{{ trimAll "f" .msg }}',
    '{{ .msg | trimPrefix "not " }}', '{{ .msg | trimSuffix "out" }}', '{{ TrimLeft .msg "fno" }}', '{{ TrimRight .msg "ndt" }}', '{{ Trim .msg "fd" }}',
    '{{ TrimPrefix .msg "not" }}', '{{ TrimSuffix .msg "out" }}', "{{ TrimSpace .msg }}", '{{ regexReplaceAll "([a-z])o" .msg "${1}0" }}',
    '{{ regexReplaceAllLiteral "([a-z])o" .msg "${1}" }}', '{{ .msg | count "o" }}', '{{ if contains "found" .msg }}y{{ end }}', '{{ hasPrefix "not" .msg }}',
    '{{ hasSuffix "out" .msg }}', "{{ substr 1 4 .msg }}", "{{ trunc 3 .msg }}", "{{ trunc -3 .msg }}", "{{ repeat 2 .level }}", "{{ indent 2 .msg }}", "{{ nindent 2 .msg }}",
    "{{ alignLeft 7 .level }}|", "{{ alignRight 7 .level }}|", "{{ alignRight 2 .level }}|", "{{ .msg | urlencode }}", "{{ .msg | urlencode | urldecode }}",
    "{{ .msg | b64enc }}", "{{ .msg | b64enc | b64dec }}", "{{ bytes .size }}", "{{ duration .took }}", "{{ duration_seconds .took }}",
    "{{ add (int .status) 1 2 }}", "{{ sub (int .status) 1 }}", "{{ mul (int .status) 2 }}", "{{ div (int .status) 7 }}", "{{ mod (int .status) 7 }}",
    "{{ max 3 (int .status) }}", "{{ min 3 (int .status) }}", "{{ addf 1.5 .status }}", "{{ subf .status 0.5 }}", "{{ mulf .status 1.1 }}", "{{ divf .status 3 }}",
    "{{ maxf 1.5 2.5 .status }}", "{{ minf 1.5 2.5 }}", "{{ ceil .n }}", "{{ floor .n }}", "{{ round .n 1 }}", "{{ float64 .status }}", "{{ int .status }}",
    '{{ default "-" .missing }}', '{{ .missing | default "none" }}', "{{ __timestamp__ | unixEpoch }}", "{{ __timestamp__ | unixEpochMillis }}", "{{ __timestamp__ | unixEpochNanos }}",
    '{{ __timestamp__ | date "2006-01-02T15:04:05.000000000Z07:00" }}', '{{ date "Jan 2, 3:04PM Mon" __timestamp__ }}', '{{ toDate "2006-01-02" "2024-02-29" | unixEpoch }}',
    '{{ toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2024-02-29 12:00" | unixEpoch }}', '{{ unixToTime "1700000000" | date "2006" }}', "{{ __line__ | lower | trunc 10 }}",
    '{{ with .msg }}{{ . }}{{ end }}', "{{- .level -}}", '{{ printf "%-6s|%5s|%q" .level .status .msg }}', '{{ len .msg }}', '{{ index . "level" }}', '{{ eq .level "info" }}',
    '{{ and .level .missing }}', '{{ or .missing .level }}', '{{ not .missing }}', '{{ lt (int .status) 300 }}', '{{ $x := .level }}{{ $x }}', "{{/* nothing */}}x",
    '{{ html .msg }}', '{{ js .msg }}', '{{ urlquery .msg }}', '{{ print .level .status }}', '{{ slice .msg 1 3 }}', "{{ ToLower .msg }}{{ ToUpper .msg }}", "{{ .level }}\n{{ .status }}",
    "{{ nosuch .level }}", "{{ .level", "{{ add .level 1 }}", "{{ bytes .level }}", "{{ duration .level }}", "{{ b64dec .level }}", "{{ substr 3 1 .msg }}", "{{ substr 1 99 .msg }}",
    '{{ range $i, $e := fromJson "[1,2]" }}{{ $i }}:{{ $e }} {{ end }}', '{{ (fromJson "{\\"a\\":{\\"b\\":[1,\\"x\\",null,true,1.5]}}").a.b }}', "{{ div 1 0 }}", "{{ divf 1 0 }}", "{{ mod 1 0 }}",
    "{{ now | date \"x\" }}", "{{ unixEpochMillis .level }}", '{{ regexReplaceAll "(" .msg "" }}', '{{ count "(" .msg }}', '{{ int "0x10" }}', '{{ int "1.9" }}', '{{ float64 "1e3" }}', '{{ int .level }}',
]

# Samples: a range's lines with the functions that they are for.
COUNTED = ("count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time")
COUNTED_LINES = [
    '{app="web"}', '{app=~"web|api"} |= "found"', '{app="api"} | logfmt | status>=400', '{job="meta"}', '{job="meta"} | http_status="500"', '{job="loghub"}', '{job="loghub"} |~ "(?i)error"',
    '{app="web"} | json | __error__="" | keep level, status', '{app="broken"} | json | drop __error__, __error_details__ | keep app', '{app="api"} | logfmt | line_format "{{.level}}" | keep env',
    '{app="nginx"} | pattern "<_> \\"<method> <_>\\" <status> <_>" | keep method, status', '{app="absent"}', '{app="absent", env="prod"} |= "x"', '{app="api"} | logfmt | keep level | level=~"e.*|w.*"', '{app="color"} | decolorize',
]
UNWRAPPED = ("sum_over_time", "avg_over_time", "max_over_time", "min_over_time", "first_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time", "rate", "rate_counter")
UNWRAPPED_LINES = [
    '{app="api"} | logfmt | keep app, env, n | unwrap n', '{app="web"} | json | keep app, status | unwrap status', '{app="api"} | logfmt | keep env, took | unwrap duration(took) | __error__=""',
    '{app="api"} | logfmt | keep env, took | unwrap duration_seconds(took) | __error__=""', '{app="web"} | json | keep env, size | unwrap bytes(size) | __error__=""',
    '{app="web"} | json | keep env, ratio | unwrap ratio | __error__="" | ratio<1000', '{app="counter"} | logfmt | keep n | unwrap n', '{app="counter"} | logfmt | keep g | unwrap g', '{job="meta"} | keep env, http_status | unwrap http_status',
    '{app="nginxjson"} | json | keep app, body_bytes_sent | unwrap body_bytes_sent', '{app="broken"} | json | keep app, status | unwrap status | __error__=""',
]
VECTORS = [  # with the samples in the place of V
    "sum(V)", "sum by (env) (V)", "sum(V) by (env)", "sum without (env) (V)", "avg by (app) (V)", "min(V)", "max without (pod) (V)", "count(V)", "count by (env, app) (V)", "stddev(V)", "stdvar by (env) (V)",
    "topk(2, V)", "bottomk(2, V)", "topk(1, V) by (env)", "bottomk by (app) (1, V)", "topk without (pod) (1, V)", "approx_topk(2, V)", "sort(V)", "sort_desc(V)", 'label_replace(V, "team", "$1-t", "env", "(.*)")', 'label_replace(V, "team", "x", "none", "")',
    'label_replace(V, "env", "", "env", ".*")', "V * 10 - 1", "10 / V", "V % 3", "V ^ 2", "-1 * V", "V > 2", "2 < V", "V > bool 2", "V == bool 2", "V != 2", "V <= 3", "V >= 3", "V and V", "V or V", "V unless V", "V + V", "V / on (env, app, pod) V",
    "sum by (env) (V) / ignoring (env) group_left sum(V)", "sum by (env, app) (V) / on (env) group_left sum by (env) (V)", "sum by (env) (V) * on (env) group_right sum by (env, app) (V)", "sum by (env) (V) > sum by (env) (V)", "sum by (env) (V) >= bool sum by (env) (V)",
    "sum(V) or vector(0)", "vector(0) or sum(V)", "sum by (env) (V) and on (env) sum by (env) (V)", "sum by (app) (V) unless on (app) sum by (app) (V)", "sum(sum by (env) (V))", "max(topk(2, V))", "(V)", "V + 1 > 2", "V * on (nosuch) V", "sum(V) + vector(1)", "V - V offset 1m",
    "sum by (nosuch) (V)", "sum by () (V)", "sum without () (V)", "count(V) > bool 0 or vector(7)", "avg(V) + min(V) * max(V) ^ 2",
]

METRICS = [
    "1 + 1", "-2 ^ 2 * 3 + 10 % 4", "vector(3)", "vector(3) + 1", "2 > bool 1", "1 / 0", "0 / 0", "-1 % 0", "1 == bool 1", "vector(1) == bool vector(1)", "1 > 2", "2 > 1", "(1 + 2) * 3", "1e3 - 0.5", "0x10", "1_000", "+1", "- 1", "vector(-1)", "vector(1 + 1)",
    'count_over_time({app="web"}[5m] offset 5m)', 'count_over_time({app="web"}[5m] offset -5m)', 'rate({app="web"}[5m] |= "found")', 'count_over_time(({app="web"} |= "found")[5m])', 'count_over_time({app="web"} |= "found" [5m])', 'sum(rate({app="web"}[1m30s]))',
    'rate({app="web"}[5m:1m])', 'sum_over_time({app="api"} | logfmt | unwrap n [5m] offset 10m) by (env)', 'sum by (env) (sum_over_time({app="api"} | logfmt | unwrap n [5m] offset 10m))', 'absent_over_time({app="absent", env=~".+"}[5m])', 'absent_over_time({app="web"} |= "no such text" [5m])',
    'absent_over_time({app="api"} | logfmt | unwrap n [5m])', 'sum(absent_over_time({app="absent"}[5m]))', 'quantile_over_time(0.5, {app="api"} | logfmt | unwrap n [5m]) by (env)', 'quantile_over_time(0.99, {app="web"} | json | unwrap duration(took) | __error__="" [10m]) by (env, status)',
    'quantile_over_time(0, {app="api"} | logfmt | unwrap n [5m]) by (app)', 'quantile_over_time(1, {app="api"} | logfmt | unwrap n [5m]) by (app)', 'quantile_over_time(1.5, {app="api"} | logfmt | unwrap n [5m]) by (app)', 'quantile_over_time(-1, {app="api"} | logfmt | unwrap n [5m]) by (app)',
    'avg_over_time({app="api"} | logfmt | unwrap n [5m]) without (took, size, msg, ip, status, level, user_name, a_b, _1st, app_extracted)', 'max_over_time({app="api"} | logfmt | unwrap n [5m]) by ()', 'min_over_time({app="api"} | logfmt | unwrap n [5m]) by (env, level)',
    'first_over_time({app="api"} | logfmt | unwrap n [5m]) by (env)', 'last_over_time({app="api"} | logfmt | unwrap n [5m]) by (env)', 'stddev_over_time({app="api"} | logfmt | unwrap n [5m]) by (env)', 'stdvar_over_time({app="api"} | logfmt | unwrap n [5m]) by (env)',
    'sum by (env) (rate({app="web"} | json | unwrap status [5m]))', 'sum by (app) (rate_counter({app="counter"} | logfmt | unwrap n [5m]))', 'sum(count_over_time({app="broken"} | json [5m]))', 'sum by (__error__) (count_over_time({app="broken"} | json [5m]))',
    'count_over_time({app="broken"} | logfmt --strict [5m])', 'sum_over_time({app="broken"} | json | unwrap status [5m])', 'sum by (level) (count_over_time({app="web"} | json | __error__="" [5m]))', 'sum by (detected_level) (count_over_time({app=~"web|api"}[5m]))', 'sum by (service_name) (count_over_time({app=~"web|api"}[5m]))',
    'topk(3, sum by (path) (count_over_time({app="web"} | json [10m])))', 'sum by (user_name, status) (count_over_time({app="web"} | json | status>=500 [10m]))', 'sum(rate({app="web"} | json | status>=500 [5m])) / sum(rate({app="web"}[5m])) * 100', 'count(sum by (trace_id) (count_over_time({job="meta"}[10m])))',
    'sum by (http_status) (count_over_time({job="meta"}[10m]))', 'sum(sum_over_time({job="meta"} | unwrap http_status [10m])) by (user)', 'sum(bytes_over_time({app="api"} | logfmt | line_format "{{.msg}}" [5m]))', 'sum by (set) (count_over_time({job="loghub"}[10m])) > 15', 'sort_desc(sum by (set) (bytes_rate({job="loghub"}[30m])))', 'sort(sum by (set) (bytes_rate({job="loghub"}[30m])))',
    'avg_over_time({app="api"} | logfmt | unwrap n | n > 0 [5m]) by (env)', 'avg_over_time({app="api"} | logfmt | unwrap n | level="info" | status=200 [5m]) by (env)', 'count_over_time({app="api"} | logfmt | label_format lvl=level | keep lvl [5m])', 'sum(count_over_time({app="packed"} | unpack | logfmt | keep pod, level [10m])) by (pod)', 'sum(rate({app="web"}[5m])) by (env) > 0.01 and sum(rate({app="web"}[5m])) by (env) < 100',
    'label_replace(sum by (pod) (rate({app="web"}[5m])), "n", "$2", "pod", "(.*)-(.*)")', 'label_replace(sum by (pod) (rate({app="web"}[5m])), "n", "${name}", "pod", "(?P<name>.*)-.*")', 'label_replace(sum by (pod) (rate({app="web"}[5m])), "bad name", "x", "pod", ".*")', 'label_replace(sum by (pod) (rate({app="web"}[5m])), "x", "y", "pod", "(")', 'sum by (env) (count_over_time({app="web"}[5m])) # a comment',
]

# What is refused, and what is nearly refused.
ODD = [
    "", "{", "}", "{}", "{app}", '{app=""}', '{app=~".*"}', '{app!="x"}', '{app=~""}', '{app="web"', '{app="web"}}', '{app="web",}', '{ app = "web" }', "{app='web'}", "{app=`web`}", '{app="web"} |', '{app="web"} |=', '{app="web"} |= found', '{app="web"} |= "a', '{app="web"} | nosuch', '{app="web"} | json |', '{app=~"("}', '{app="web"} |~ "("', '{app="web"} | regexp "("', '{app="web"} | regexp "nocapture"', '{app="web"} | pattern "x"',
    '{app="web"} | pattern "<a><b>"', '{app="web"} | pattern "<a> <a>"', '{app="web"} | pattern "<_>"', '{app="web"} |> "<a>"', '{app="web"} |> ""', '{app="web"} | json a="["', '{app="web"} | json a="b..c"', '{app="web"} | json a=b', '{app="web"} | logfmt --nosuch', '{app="web"} | logfmt a="b c"', '{app="web"} | line_format', '{app="web"} | line_format x', '{app="web"} | label_format a', '{app="web"} | label_format a=b,a=c', '{app="web"} | label_format a=',
    '{app="web"} | label_format __error__="x"', '{app="web"} | drop', '{app="web"} | keep', '{app="web"} | drop a=', '{app="web"} | a', '{app="web"} | a=', '{app="web"} | a=b', '{app="web"} | a>"1"', '{app="web"} | a=~1', '{app="web"} | a>ip("1.1.1.1")', '{app="web"} | a=ip("nonsense")', '{app="web"} |= ip("nonsense")', '{app="web"} |~ ip("1.1.1.1")', '{app="web"} | a=ip("10.0.0.9-10.0.0.1")', '{app="web"} | unwrap a', '{app="web"}[5m]', '{app="web"} offset 5m',
    'rate({app="web"})', 'rate({app="web"}[])', 'rate({app="web"}[5])', 'rate({app="web"}[5x])', 'rate({app="web"}[0s])', 'rate({app="web"}[-5m])', 'rate({}[5m])', 'rate({app=~".*"}[5m])', 'nosuch({app="web"}[5m])', 'count_over_time({app="web"} | unwrap a [5m])', 'sum_over_time({app="web"}[5m])', 'quantile_over_time({app="web"} | unwrap a [5m])', 'quantile_over_time("x", {app="web"} | unwrap a [5m])', 'rate(2, {app="web"}[5m])', 'rate({app="web"}[5m]) by (app)', 'sum_over_time({app="web"} | unwrap a [5m]) by (app)',
    'sum({app="web"})', 'sum(1, rate({app="web"}[5m]))', 'topk(rate({app="web"}[5m]))', 'topk(0, rate({app="web"}[5m]))', 'topk(-1, rate({app="web"}[5m]))', 'topk(1.5, rate({app="web"}[5m]))', 'sort(rate({app="web"}[5m])) by (app)', 'approx_topk(2, rate({app="web"}[5m])) by (app)', 'sum by app (rate({app="web"}[5m]))', 'sum by (app) without (env) (rate({app="web"}[5m]))', 'rate({app="web"}[5m]) +', '+ rate({app="web"}[5m])', 'rate({app="web"}[5m]) + {app="web"}', '{app="web"} + 1', '1 and 2', 'rate({app="web"}[5m]) and 1', 'rate({app="web"}[5m]) + bool 1',
    'rate({app="web"}[5m]) / on (app) rate({app="web"}[5m])', 'rate({app="web"}[5m]) / on (app) group_left rate({app="web"}[5m])', 'rate({app="web"}[5m]) and on (app) group_left rate({app="web"}[5m])', 'vector("x")', "vector()", "label_replace(1)", 'rate({app="web"}[5m] @ 0)', 'rate({app="web"}[5m] offset)', 'rate({app="web"} | unwrap bytes(a [5m])', 'rate({app="web"} | unwrap nosuch(a) [5m])', 'sum(rate({app="web"}[5m])) sum(rate({app="web"}[5m]))', 'count_over_time({app="web"}[5m]) or', '{app="web"} |= "a" or', '{app="web"} |= "a" or b', '{app="web"} | json or logfmt', '{app="web"} and {app="api"}',
    '{app="web"} |= "a" and "b"', '{json="x"}', '{by="x"}', '{app="web"} | json | by="x"', '{app="web"} | json | level="a" and', '{app="web"} | (level="a"', '{app="web"} | json | level="a" or level="b" and status=200', '{app="web"} | json | status=1e2', '{app="web"} | json | status>-5', '{app="web"} | json | took>-5s', '{app="web"} | json | took>1d', '{app="web"} | json | took>1w2d', '{app="web"} | json | size>1.5GiB', '{app="web"} | json | size>1PB', '{app="web"} | json | took>1.5s', '{app="web"} | json | took>5', '{app="web"} | json | status>5s', '{app="web"} | json | status>5KB', '{app="web", app="api"}', '{app="web", app=~"w.*"}', '{__name__="x"}', '{app.dot="x"}', '{1app="x"}', '{"app"="web"}',
    '{app="web"} | label_format a.b="x"', '{app="web"} | json | "level"="x"', '{app="web"} |= "\\x"', '{app="web"} |= "\\u00e9"', "{app=\"web\"} |= `a\\b`", '{app="web"} | logfmt | json | unpack | decolorize | regexp "(?P<x>.)" | pattern "<y> <_>"',
]


# What Grafana's views ask: Explore's bars, Drilldown's lists of services and fields, stored fields as labels of series.
GRAFANA = [
    '{service_name="web"}', '{service_name=~".+",job!="levels"}', '{service_name=~"loghub|meta"} | detected_level="error"', '{app="api"} | detected_level!="info"', '{app=~".+"} | detected_level="unknown"',
    'sum by (level, detected_level) (count_over_time({app="web"} | json | drop __error__ [1m]))', 'sum by (level, detected_level) (count_over_time({app=~".+"} | drop __error__ [5m]))', 'sum by (detected_level) (count_over_time({job="loghub"}[5m]))',
    'sum by (service_name) (bytes_over_time({service_name=~".+",job!="levels"}[10m]))', 'sum by (service_name, detected_level) (count_over_time({service_name=~".+",job!="levels"} | json | logfmt | drop __error__, __error_details__ [10m]))', 'sum by (http_status) (count_over_time({service_name="meta"} | http_status!="" [5m]))',
    'sum by (detected_level) (count_over_time({job="levels"}[10m]))', '{job="levels"}', 'rate({app="api"}[5m])', 'bytes_rate({job="loghub",set=~"[H-L].*"}[5m])', 'rate({job="meta"}[5m])', 'count_over_time({job="meta"} | user="ann" [5m])', 'count_over_time({job="meta"} | keep user, env [5m])', 'max_over_time({job="meta"} | unwrap http_status [5m])',
    'max by (user) (count_over_time({job="meta"}[5m]))', 'topk(2, sum by (user, http_status) (count_over_time({job="meta"}[5m])))', 'max without (trace_id, pod) (count_over_time({job="meta"}[5m]))',
]


def generated(random):
    """A log query or a metric query put together by chance."""
    lines = random.choice(SELECTORS)
    for _ in range(random.randrange(4)):
        lines = f"{lines} {random.choice(STAGES)}"
    if random.random() < 0.4:
        return lines, True
    if random.random() < 0.5:
        lines, function = random.choice(COUNTED_LINES), random.choice(COUNTED)
    else:
        lines, function = random.choice(UNWRAPPED_LINES), random.choice(UNWRAPPED)
    samples = f"{function}({lines} [{random.choice(('30s', '1m', '5m', '7m30s', '1h'))}]{random.choice(('', '', '', ' offset 3m'))})"
    for _ in range(random.randrange(3)):
        samples = random.choice(VECTORS).replace("V", samples if random.random() < 0.6 else f"({samples})")
    return samples, False


def documented():
    """The examples of docs/logql.md, over longer times."""
    page = pathlib.Path(__file__).parent.parent.parent / "docs" / "logql.md"
    for row in page.read_text().splitlines():
        if row.startswith("| ") and "`" in row:
            query = row[row.index("`") + 1:row.rindex("`")].replace("\\|", "|")
            yield re.sub(r"(?<=[\[ ])(\d+)s(?=[\])])", r"\1m", query)


def all_queries(random, count):
    """(query, whether of lines)"""
    for query in documented():
        yield query, query.startswith("{")
    for query in GRAFANA:
        yield query, query.startswith("{")
    for number, selector in enumerate(SELECTORS):
        yield selector, True
        for stage in STAGES[number % 3::3]:
            yield f"{selector} {stage}", True
    for template in TEMPLATES:
        yield '{app="api"} | logfmt | keep level, status, took, size, msg, n | line_format ' + f"`{template}`", True
        yield '{app="web"} | json | keep level, status, took, size, msg | label_format out=' + f"`{template}`", True
    for function in COUNTED:
        for lines in COUNTED_LINES:
            yield f"{function}({lines} [5m])", False
    for function in UNWRAPPED:
        for lines in UNWRAPPED_LINES:
            yield f"{function}({lines} [5m])", False
    for number, vector in enumerate(VECTORS):
        yield vector.replace("V", 'count_over_time({app=~"web|api"}[5m])'), False
        yield vector.replace("V", 'sum by (env, app) (bytes_rate({app=~".+"}[10m]))'), False
    for query in METRICS:
        yield query, False
    for query in ODD:
        yield query, "[" not in query and "vector" not in query
    for _ in range(count):
        yield generated(random)
