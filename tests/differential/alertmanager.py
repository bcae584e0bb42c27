#!/usr/bin/env python3
"""The same stream of alerts through Alertmanager and through Parapet, side by side: both have to tell the same receivers
the same groups and the same alerts.

    tests/differential/alertmanager.py --peer DIR/prometheus-alertmanager --ours target/fast/parapet [--seed N] [--alerts N]

Both run on the loopback interface with one configuration (routes with `continue`, inhibition, resolved notices). The
stream fires, resolves and flaps alerts, sets and expires silences and reloads, in rounds; each round is followed by
quiet for longer than a group's interval, so that both have said what they have to say before the next begins. Compared
is, per receiver and group, every notification of the round in order: its status, its labels, and its alerts in their
order with their states and times. Where the two cut a round into notifications differently (a batch fell on the other
side of a flush) but leave the receiver with the same knowledge, that is counted as within tolerance; anything else is a
difference, and the run exits with 1.

Left out are alerts of which the receiver knew already that they are over: after a reload Alertmanager tells again of
every one that ended within its garbage collection's half hour; Parapet does not. For the same reason it then tells of
alerts that ended while they were silenced or inhibited: those ends are counted by themselves. Of the sources of one inhibition rule
with equal labels only one fires at a time: of several Alertmanager's index remembers one."""
import argparse, collections, http.server, json, os, random, shlex, socket, subprocess, sys, tempfile, threading, time, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--peer", required=True)
parser.add_argument("--ours", required=True)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--alerts", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=12)
options = parser.parse_args()

CONFIG = """
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1s
  group_interval: 3s
  repeat_interval: 1h
  routes:
  - matchers: [severity="page"]
    receiver: pager
    group_by: [alertname, cluster]
    continue: true
  - matchers: [team=~"db|web"]
    receiver: team
    group_by: [team]
inhibit_rules:
- source_matchers: [alertname="ClusterDown"]
  target_matchers: [severity="warning"]
  equal: [cluster]
receivers:
- name: default
  webhook_configs: [{url: URL/default}]
- name: pager
  webhook_configs: [{url: URL/pager}]
- name: team
  webhook_configs: [{url: URL/team, send_resolved: false}]
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """One of the two, with its receivers."""

    def __init__(self, name, command):
        self.name, self.told, self.lock = name, [], threading.Lock()
        self.knows, self.repeats = collections.defaultdict(dict), 0
        outer = self

        class Receiver(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.told.append((self.path.strip("/"), body))
                self.send_response(200)
                self.end_headers()

        self.hooks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.hooks.serve_forever, daemon=True).start()
        self.directory = tempfile.mkdtemp(prefix="differential")
        self.config = os.path.join(self.directory, "alertmanager.yml")
        with open(self.config, "w") as file:
            file.write(CONFIG.replace("URL", f"http://127.0.0.1:{self.hooks.server_port}"))
        self.base = f"http://127.0.0.1:{(port := free_port())}"
        command = command.format(config=self.config, port=port, dir=self.directory)
        log = open(os.path.join(self.directory, "log"), "w")
        self.process = subprocess.Popen(shlex.split(command), stdout=log, stderr=subprocess.STDOUT)
        for _ in range(200):
            try:
                self.call("GET", "/api/v2/status")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"{name} does not start: see {self.directory}/log")

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text.strip() else None

    def take(self):
        """What is new in what was told since, by receiver and group, in order; and how many notifications there were."""
        with self.lock:
            told, self.told = self.told, []
        news = collections.defaultdict(list)
        for receiver, body in told:
            key = (receiver, body["groupKey"])
            knows = self.knows[key]
            alerts = []
            for alert in body["alerts"]:
                fingerprint, status = alert["fingerprint"], alert["status"]
                names[fingerprint] = " ".join(alert["labels"].values())
                if status == "resolved" and knows.get(fingerprint) != "firing":
                    continue
                knows[fingerprint] = status
                ends = alert["endsAt"] if status == "resolved" else None
                alerts.append((fingerprint, status, alert["startsAt"], ends, tuple(sorted(alert["annotations"].items()))))
            if alerts:
                labels = tuple(sorted(body["groupLabels"].items()))
                news[key].append((body["status"], labels, alerts))
            else:
                self.repeats += 1
        return news, len(told)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03}Z"


def seconds(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def same(one, other):
    """Whether two notifications say the same; times may differ by what separates the two requests."""
    near = lambda a, b: a == b or (a and b and abs(seconds(a) - seconds(b)) < 2)
    return one[:2] == other[:2] and len(one[2]) == len(other[2]) and all(
        a[:2] == b[:2] and near(a[2], b[2]) and near(a[3], b[3]) and a[4] == b[4] for a, b in zip(one[2], other[2]))


names = {}
rng = random.Random(options.seed)
servers = [
    Server("peer", options.peer + " --config.file={config} --web.listen-address=127.0.0.1:{port} "
           "--storage.path={dir}/data --cluster.listen-address="),
    Server("ours", options.ours + " run --alertmanager.config.file {config} --web.listen-address 127.0.0.1:{port} "
           "--storage.path {dir}/data --log.level warn"),
]
alerts = [
    {
        "alertname": rng.choice(["Down", "Slow", "Full", "Odd"]),
        "cluster": f"c{rng.randrange(6)}",
        "severity": rng.choice(["page", "warning", "info"]),
        "team": rng.choice(["db", "web", "infra"]),
        "instance": f"i{index}",
    }
    for index in range(options.alerts - 6)
]
# What inhibits comes first in its round.
alerts = [{"alertname": "ClusterDown", "cluster": f"c{n}", "severity": "page", "team": "infra"} for n in range(6)] + alerts
state = [False] * len(alerts)
silences, differences, split, compared, notifications, flaps, late, once = [], 0, 0, 0, 0, 0, 0, 0
flapped, by_name = set(), {" ".join(value for _, value in sorted(labels.items())): index for index, labels in enumerate(alerts)}
try:
    for turn in range(options.rounds):
        now = time.time()
        changed = sorted(rng.sample(range(len(alerts)), len(alerts) // 4))
        if turn % 3 == 1:
            # The silence begins before the alerts of its round, so that no flush falls between the two.
            matcher = {"name": "alertname", "value": rng.choice(["Slow", "Full"]), "isRegex": False, "isEqual": True}
            silence = {"matchers": [matcher], "startsAt": iso(now), "endsAt": iso(now + 3600), "createdBy": "test", "comment": "test"}
            silences.append([server.call("POST", "/api/v2/silences", silence)["silenceID"] for server in servers])
        elif turn % 3 == 0 and silences:
            for server, silence in zip(servers, silences.pop()):
                server.call("DELETE", f"/api/v2/silence/{silence}")
            # Both tell what was silenced before anything of it is over.
            time.sleep(4)
            now = time.time()
        statements, before = [], []
        for index in changed:
            annotations = {"summary": f"{alerts[index]['alertname']} in round {turn}"}
            fires = {"labels": alerts[index], "annotations": annotations, "startsAt": iso(now), "endsAt": iso(now + 3600)}
            over = {**fires, "startsAt": iso(now - 1), "endsAt": iso(now)}
            flaps_now = rng.random() < 0.05
            flaps += flaps_now
            if flaps_now:
                flapped.add(index)
            if not flaps_now:
                state[index] = not state[index]
            else:
                before.append(over if state[index] else fires)
            statements.append(fires if state[index] else over)
        # Alertmanager takes the alerts of one request in several workers at once: what flaps comes in two requests.
        for part in (before, statements):
            for start in range(0, len(part), 50):
                for server in servers:
                    server.call("POST", "/api/v2/alerts", part[start:start + 50])
            time.sleep(0.2)
        if turn % 4 == 2:
            for server in servers:
                server.call("POST", "/-/reload")
        time.sleep(9)
        (peer, peer_count), (ours, our_count) = (server.take() for server in servers)
        notifications += peer_count
        for key in sorted(peer.keys() | ours.keys()):
            compared += 1
            theirs, mine = peer.get(key, []), ours.get(key, [])
            if len(theirs) == len(mine) and all(map(same, theirs, mine)):
                continue
            knows, we_know = (server.knows[key] for server in servers)
            for fingerprint in knows.keys() | we_know.keys():
                index = by_name.get(names[fingerprint])
                if index in flapped and not state[index] and knows.get(fingerprint) != we_know.get(fingerprint):
                    # A flush fell between its two statements on one side only.
                    knows[fingerprint] = we_know[fingerprint] = "resolved"
                    once += 1
            if turn % 4 == 2:
                for fingerprint, status in knows.items():
                    if status == "resolved" and we_know.get(fingerprint) == "firing":
                        we_know[fingerprint] = "resolved"
                        late += 1
            if knows == we_know:
                split += 1
                cut = lambda told: [[n[0], len(n[2])] for n in told]
                print(f"round {turn} {key}: cut or ordered differently: peer {cut(theirs)}, ours {cut(mine)}")
                if [len(n[2]) for n in theirs] == [len(n[2]) for n in mine]:
                    differences += 1
                    for a, b in zip(sum((n[2] for n in theirs), []), sum((n[2] for n in mine), [])):
                        if a != b:
                            print(f"    peer {names[a[0]]} {a}, ours {names[b[0]]} {b}")
                continue
            differences += 1
            for fingerprint in sorted(knows.keys() | we_know.keys()):
                if knows.get(fingerprint) != we_know.get(fingerprint):
                    print(f"round {turn} {key}: {names[fingerprint]}: peer {knows.get(fingerprint)}, ours {we_know.get(fingerprint)}")
        print(f"round {turn}: {len(statements)} statements, notifications: peer {peer_count}, ours {our_count}", flush=True)
finally:
    for server in servers:
        server.stop()
repeats = ", ".join(f"{server.name} {server.repeats}" for server in servers)
print(f"{options.alerts} alerts, {flaps} flaps, {options.rounds} rounds, seed {options.seed}: {notifications} notifications of the peer, "
      f"{compared} group rounds compared, {differences} differences, {split} within tolerance, {once} flaps seen by one side alone, {late} ends told by the peer alone, "
      f"after a reload; notifications without news: {repeats}")
sys.exit(differences > 0)
