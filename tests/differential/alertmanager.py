#!/usr/bin/env python3
"""The same stream of alerts through Alertmanager and through Parapet, side by side: both have to tell the same receivers
the same groups and the same alerts.

    tests/differential/alertmanager.py --peer DIR/prometheus-alertmanager --ours target/fast/parapet [--seed N] [--alerts N]

Both run on the loopback interface with one configuration (routes with `continue`, inhibition, resolved notices). The
stream fires, resolves and flaps alerts, sets and expires silences and reloads, in rounds; each round is followed by
quiet for longer than a group's interval, so that both have said what they have to say before the next begins. What is
compared is, per receiver and group, the state that the last notification of each round leaves with the receiver, and
which groups were told anything at all. It exits with 1 where they differ."""
import argparse, collections, http.server, json, os, random, shlex, socket, subprocess, sys, tempfile, threading, time, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--peer", required=True)
parser.add_argument("--ours", required=True)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--alerts", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=8)
options = parser.parse_args()

CONFIG = """
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1s
  group_interval: 4s
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
        with self.lock:
            told, self.told = self.told, []
        return told

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03}Z"


def summary(told):
    """What each group's receiver knows after a round: the last notification of it."""
    last, counts = {}, collections.Counter()
    for receiver, body in told:
        key = (receiver, body["groupKey"])
        counts[key] += 1
        last[key] = (body["status"], tuple(sorted((a["fingerprint"], a["status"]) for a in body["alerts"])))
    return last, counts


rng = random.Random(options.seed)
servers = [
    Server("peer", options.peer + " --config.file={config} --web.listen-address=127.0.0.1:{port} "
           "--storage.path={dir}/data --cluster.listen-address="),
    Server("ours", options.ours + " run --alertmanager.config.file {config} --web.listen-address 127.0.0.1:{port} "
           "--storage.path {dir}/data --log.level warn"),
]
alerts = [
    {
        "alertname": rng.choice(["Down", "Slow", "Full", "ClusterDown", "Odd"]),
        "cluster": f"c{rng.randrange(6)}",
        "severity": rng.choice(["page", "warning", "info"]),
        "team": rng.choice(["db", "web", "infra"]),
        "instance": f"i{index}",
    }
    for index in range(options.alerts)
]
state = [False] * len(alerts)
silences, differences, compared, notifications = [], 0, 0, 0
try:
    for turn in range(options.rounds):
        now = time.time()
        changed = rng.sample(range(len(alerts)), len(alerts) // 4)
        statements = []
        for index in changed:
            state[index] = not state[index]
            statement = {"labels": alerts[index], "startsAt": iso(now), "endsAt": iso(now + 3600)}
            if not state[index]:
                statement["endsAt"] = iso(now)
                statement["startsAt"] = iso(now - 1)
            statements.append(statement)
        if turn % 3 == 1:
            # The silence begins before the alerts of its round, so that no flush falls between the two.
            matcher = {"name": "alertname", "value": rng.choice(["Slow", "Full"]), "isRegex": False, "isEqual": True}
            silence = {"matchers": [matcher], "startsAt": iso(now), "endsAt": iso(now + 3600), "createdBy": "test", "comment": "test"}
            silences.append([server.call("POST", "/api/v2/silences", silence)["silenceID"] for server in servers])
        elif turn % 3 == 0 and silences:
            for server, silence in zip(servers, silences.pop()):
                server.call("DELETE", f"/api/v2/silence/{silence}")
        for start in range(0, len(statements), 50):
            for server in servers:
                server.call("POST", "/api/v2/alerts", statements[start:start + 50])
        if turn == options.rounds // 2:
            for server in servers:
                server.call("POST", "/-/reload")
        time.sleep(11)
        (peer, peer_counts), (ours, our_counts) = (summary(server.take()) for server in servers)
        notifications += sum(peer_counts.values())
        for key in sorted(peer.keys() | ours.keys()):
            compared += 1
            if peer.get(key) != ours.get(key):
                differences += 1
                print(f"round {turn} {key}: peer {peer.get(key)} ({peer_counts[key]}), ours {ours.get(key)} ({our_counts[key]})"[:600])
        print(f"round {turn}: {len(statements)} statements, notifications: peer {sum(peer_counts.values())}, ours {sum(our_counts.values())}", flush=True)
finally:
    for server in servers:
        server.stop()
print(f"{options.alerts} alerts, {options.rounds} rounds, seed {options.seed}: {compared} group states compared, "
      f"{notifications} notifications of the peer, {differences} differences")
sys.exit(differences > 0)
