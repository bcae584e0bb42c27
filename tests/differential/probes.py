#!/usr/bin/env python3
"""Asks blackbox_exporter and Parapet for the same probes of local servers, with one module file, and compares what they
answer: the same series, the same values but for durations.

  cargo build --profile fast --workspace --bin parapet
  python3 tests/differential/probes.py --blackbox /path/to/prometheus-blackbox-exporter

The servers: HTTP (statuses, redirects, cookies, headers, compression, hostile bodies), HTTPS with a chain of
certificates (openssl makes it), lines over TCP with STARTTLS, a name server over UDP and TCP, echoes of this machine
(which needs the right to raw sockets, or net.ipv4.ping_group_range), and where grpcio-health-checking is installed
a health check of gRPC. The exit status is 1 where anything differs."""

import argparse
import gzip
import http.server
import os
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

DURATIONS = re.compile(r"^(probe_duration_seconds|probe_dns_lookup_time_seconds|probe_\w+_duration_seconds\{)")

MODULES = """
modules:
  http_2xx: {prober: http, timeout: 5s}
  http_ip4: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  http_404: {prober: http, http: {preferred_ip_protocol: ip4, valid_status_codes: [404]}}
  http_no_redirect: {prober: http, http: {preferred_ip_protocol: ip4, follow_redirects: false, valid_status_codes: [302]}}
  http_body: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['hello .*']}}
  http_body_bad: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_body_matches_regexp: ['hello .*']}}
  http_header: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_header_not_matches: [{header: X-Test, regexp: '^a$'}]}}
  http_header_bad: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_header_matches: [{header: X-Test, regexp: 'a'}]}}
  http_gzip: {prober: http, http: {preferred_ip_protocol: ip4, compression: gzip, headers: {Accept-Encoding: gzip}, fail_if_body_not_matches_regexp: [hello]}}
  http_limit: {prober: http, http: {preferred_ip_protocol: ip4, body_size_limit: 100B}}
  http_post: {prober: http, http: {preferred_ip_protocol: ip4, method: POST, body: 'x=1', headers: {Content-Type: text/plain}}}
  http_head: {prober: http, http: {preferred_ip_protocol: ip4, method: HEAD}}
  http_auth: {prober: http, http: {preferred_ip_protocol: ip4, basic_auth: {username: u, password: p}}}
  http_versions: {prober: http, http: {preferred_ip_protocol: ip4, valid_http_versions: [HTTP/2.0]}}
  http_short: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}
  http_not_ssl: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_not_ssl: true}}
  https: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA}}}
  https_skip: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: true}}}
  https_refused: {prober: http, http: {preferred_ip_protocol: ip4}}
  https_fails: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_ssl: true, tls_config: {ca_file: CA}}}
  https_tls12: {prober: http, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA, max_version: TLS12}}}
  tcp: {prober: tcp, tcp: {preferred_ip_protocol: ip4}}
  tcp_tls: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: CA}}}
  tcp_banner: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: '^220 (\\S+) ready', send: 'EHLO ${1}', labels: [{name: name, value: '${1}'}]}, {expect: '^250 STARTTLS'}]}}
  tcp_banner_bad: {prober: tcp, timeout: 2s, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: '^SSH-2'}]}}
  tcp_bytes: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect_bytes: '220'}]}}
  tcp_bytes_bad: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect_bytes: '221'}]}}
  tcp_starttls: {prober: tcp, tcp: {preferred_ip_protocol: ip4, tls_config: {ca_file: CA, server_name: localhost}, query_response: [{expect: '^220', send: 'EHLO x'}, {expect: '^250', send: 'STARTTLS'}, {expect: '^220', starttls: true}, {send: 'EHLO y'}, {expect: '^250'}]}}
  dns_a: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: example.test, query_type: A}}
  dns_a_tcp: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: example.test, query_type: A, transport_protocol: tcp}}
  dns_soa: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: example.test, query_type: SOA}}
  dns_match: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: example.test, query_type: A, validate_answer_rrs: {fail_if_not_matches_regexp: ['^example\\.test\\.\\t60\\tIN\\tA\\t127\\..*$']}}}
  dns_mismatch: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: example.test, query_type: A, validate_answer_rrs: {fail_if_matches_regexp: ['127']}}}
  dns_none: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: none.test, query_type: A}}
  dns_nxdomain: {prober: dns, dns: {preferred_ip_protocol: ip4, query_name: none.test, query_type: A, valid_rcodes: [NXDOMAIN]}}
  icmp: {prober: icmp, icmp: {preferred_ip_protocol: ip4}}
  icmp_size: {prober: icmp, icmp: {preferred_ip_protocol: ip4, payload_size: 500, ttl: 9}}
  grpc: {prober: grpc, grpc: {preferred_ip_protocol: ip4}}
  grpc_down: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: down}}
  grpc_unknown: {prober: grpc, grpc: {preferred_ip_protocol: ip4, service: nothing}}
"""


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", headers=(), length=True):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path
        if path == "/":
            self.answer(200, b"hello world\n", [("X-Test", "a"), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")])
        elif path == "/redirect":
            self.answer(302, b"there", [("Location", "/cookie"), ("Set-Cookie", "k=v; Path=/")])
        elif path == "/cookie":
            self.answer(200 if "k=v" in self.headers.get("Cookie", "") else 403, b"cookie")
        elif path == "/elsewhere":
            self.answer(301, b"", [("Location", f"http://localhost:{self.server.server_address[1]}/")])
        elif path == "/loop":
            self.answer(302, b"", [("Location", "/loop")])
        elif path == "/gzip":
            self.answer(200, gzip.compress(b"hello " * 1000), [("Content-Encoding", "gzip")])
        elif path == "/long":
            self.answer(200, b"x" * 5000)
        elif path == "/unknown-length":
            self.answer(200, b"x" * 77, length=False)
        elif path == "/empty":
            self.answer(204)
        elif path == "/auth":
            self.answer(200 if self.headers.get("Authorization") == "Basic dTpw" else 401, b"auth")
        elif path == "/slow":
            time.sleep(3)
            self.answer(200, b"late")
        elif path == "/host":
            self.answer(200 if self.headers.get("Host") == "named.test" else 421, b"host")
        else:
            self.answer(404, b"nothing here")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        good = body == b"x=1" and self.headers.get("Content-Type") == "text/plain"
        self.answer(201 if good else 400, body)

    def log_message(self, *_):
        pass


class Quiet(socketserver.ThreadingMixIn):
    """A server whose clients may leave when they like."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


class WebServer(Quiet, http.server.HTTPServer):
    pass


class Threaded(Quiet, socketserver.TCPServer):
    pass


class ThreadedUdp(Quiet, socketserver.UDPServer):
    pass


class Mail(socketserver.StreamRequestHandler):
    """Says what servers of mail say, STARTTLS included."""

    context = None

    def handle(self):
        connection = self.request
        connection.sendall(b"220 mail.test ready\r\n")
        file = connection.makefile("rb")
        while line := file.readline():
            if line.startswith(b"EHLO"):
                connection.sendall(b"250-mail.test\r\n250 STARTTLS\r\n" if self.context else b"250 ok\r\n")
            elif line.startswith(b"STARTTLS"):
                connection.sendall(b"220 go on\r\n")
                connection = self.context.wrap_socket(connection, server_side=True)
                file = connection.makefile("rb")


def dns_answer(question):
    name, at = [], 12
    while question[at]:
        name.append(question[at + 1 : at + 1 + question[at]])
        at += 1 + question[at]
    kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
    found = b".".join(name) == b"example.test"
    records, authority = [], []
    if found and kind == 1:
        records = [struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + bytes([127, 0, 0, n]) for n in (1, 2)]
    if found and kind == 6:
        data = b"\x02ns\xc0\x0c\x02me\xc0\x0c" + struct.pack(">IIIII", 2024010101, 1, 2, 3, 4)
        records = [struct.pack(">HHHIH", 0xC00C, 6, 1, 60, len(data)) + data]
    if not found:
        data = b"\x02ns\x00\x02me\x00" + struct.pack(">IIIII", 7, 1, 2, 3, 4)
        authority = [struct.pack(">HHHIH", 0xC00C, 6, 1, 60, len(data)) + data]
    flags = 0x8580 if found else 0x8583
    head = question[:2] + struct.pack(">HHHHH", flags, 1, len(records), len(authority), 0)
    return head + question[12 : at + 5] + b"".join(records + authority)


class DnsUdp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sender = self.request
        sender.sendto(dns_answer(data), self.client_address)


class DnsTcp(socketserver.StreamRequestHandler):
    def handle(self):
        length = struct.unpack(">H", self.rfile.read(2))[0]
        answer = dns_answer(self.rfile.read(length))
        self.wfile.write(struct.pack(">H", len(answer)) + answer)


def certificates(directory):
    """An authority, and a certificate of localhost and 127.0.0.1 by it: the context of a server, the authority's file."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
            "-subj", "/C=DE/O=Test, Authority/CN=Test CA", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/C=DE/ST=B/L=C/O=Org/OU=One/CN=localhost")
    with open(os.path.join(directory, "ext"), "w") as file:
        file.write("subjectAltName=DNS:localhost,DNS:other.test,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "20", "-extfile", "ext")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with open(os.path.join(directory, "chain.pem"), "w") as chain:
        for name in ("server.pem", "ca.pem"):
            chain.write(open(os.path.join(directory, name)).read())
    context.load_cert_chain(os.path.join(directory, "chain.pem"), os.path.join(directory, "server.key"))
    return context, os.path.join(directory, "ca.pem")


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def grpc_server():
    """The port of a health service, or nothing where the package is not installed."""
    try:
        from concurrent import futures

        import grpc
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    except ImportError:
        return None
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    servicer = health.HealthServicer()
    servicer.set("down", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    grpc_server.kept = server
    return port


def ask(base, module, target, **more):
    query = urllib.parse.urlencode({"module": module, "target": target, **more})
    request = urllib.request.Request(f"{base}/probe?{query}", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def series(text):
    """The series of a body with their values; of durations only that they are there."""
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            labels = re.fullmatch(r"(\w+)\{(.*)\}", name)
            if labels:
                pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels[2])
                name = labels[1] + "{" + ",".join(f'{a}="{b}"' for a, b in sorted(pairs)) + "}"
            out[name] = "…" if DURATIONS.match(name) else float(value)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blackbox", required=True)
    parser.add_argument("--parapet", default="target/fast/parapet")
    parser.add_argument("--only", default="", help="a part of a module's name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        context, authority = certificates(directory)
        Mail.context = context
        modules = os.path.join(directory, "blackbox.yml")
        with open(modules, "w") as file:
            file.write(MODULES.replace("ca_file: CA", f"ca_file: {authority}"))
        web = WebServer(("127.0.0.1", 0), Web)
        secure = WebServer(("127.0.0.1", 0), Web)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        plain, tls = f"127.0.0.1:{serve(web)}", f"localhost:{serve(secure)}"
        mail = f"localhost:{serve(Threaded(('127.0.0.1', 0), Mail))}"
        udp = ThreadedUdp(("127.0.0.1", 0), DnsUdp)
        dns = f"127.0.0.1:{serve(udp)}"
        serve(Threaded(("127.0.0.1", udp.server_address[1]), DnsTcp))
        nobody = f"127.0.0.1:{free_port()}"
        health = grpc_server()
        probes = [
            *[(module, f"http://{plain}/") for module in (
                "http_2xx", "http_ip4", "http_body", "http_body_bad", "http_header", "http_header_bad", "http_head",
                "http_versions", "http_not_ssl")],
            ("http_ip4", plain),
            ("http_2xx", f"http://localhost:{plain.split(':')[1]}/"),
            *[("http_ip4", f"http://{plain}{path}") for path in (
                "/redirect", "/elsewhere", "/loop", "/missing", "/unknown-length", "/empty", "/gzip", "/long")],
            ("http_404", f"http://{plain}/missing"), ("http_no_redirect", f"http://{plain}/redirect"),
            ("http_gzip", f"http://{plain}/gzip"), ("http_gzip", f"http://{plain}/"),
            ("http_limit", f"http://{plain}/long"), ("http_limit", f"http://{plain}/"),
            ("http_post", f"http://{plain}/"), ("http_auth", f"http://{plain}/auth"),
            ("http_short", f"http://{plain}/slow"), ("http_ip4", f"http://{nobody}/"),
            ("http_ip4", "http://no.such.host.invalid/"), ("http_ip4", "http://%zz/"),
            *[(module, f"https://{tls}/") for module in ("https", "https_skip", "https_refused", "https_fails", "https_tls12")],
            ("https", f"https://{tls}/redirect"), ("https", f"https://127.0.0.1:{tls.split(':')[1]}/"),
            ("tcp", plain), ("tcp", nobody), ("tcp", "no-port"), ("tcp_tls", tls), ("tcp_tls", plain),
            *[(module, mail) for module in ("tcp_banner", "tcp_banner_bad", "tcp_bytes", "tcp_bytes_bad", "tcp_starttls")],
            *[(module, dns) for module in (
                "dns_a", "dns_a_tcp", "dns_soa", "dns_match", "dns_mismatch", "dns_none", "dns_nxdomain")],
            ("dns_a_tcp", nobody), ("icmp", "127.0.0.1"), ("icmp_size", "127.0.0.1"), ("icmp", "no.such.host.invalid"),
            ("grpc", nobody),
        ]
        if health:
            probes += [(module, f"127.0.0.1:{health}") for module in ("grpc", "grpc_down", "grpc_unknown")]
        else:
            print("grpc: no grpcio-health-checking, only a server that is not there is asked")
        ports = free_port(), free_port()
        config = os.path.join(directory, "prometheus.yml")
        open(config, "w").write("global: {}\n")
        log = open(os.path.join(directory, "log"), "w")
        commands = [
            [options.blackbox, f"--config.file={modules}", f"--web.listen-address=127.0.0.1:{ports[0]}"],
            [options.parapet, "run", "--config.file", config, "--probe.config.file", modules,
             "--storage.path", os.path.join(directory, "data"), "--web.listen-address", f"127.0.0.1:{ports[1]}"],
        ]
        processes = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
        try:
            bases = [f"http://127.0.0.1:{port}" for port in ports]
            for base, process in zip(bases, processes):
                for _ in range(200):
                    try:
                        urllib.request.urlopen(f"{base}/-/healthy", timeout=1).close()
                        break
                    except OSError:
                        if process.poll() is not None:
                            sys.exit(f"{process.args[0]} ended: {open(log.name).read()[-2000:]}")
                        time.sleep(0.1)
            different = asked = compared = 0
            for module, target in probes + [("unknown", "x"), ("http_2xx", "")]:
                if options.only not in module:
                    continue
                (status, theirs), (own_status, ours) = (ask(base, module, target) for base in bases)
                asked += 1
                if status != 200 or own_status != 200:
                    if status != own_status:
                        different += 1
                        print(f"{module} {target}: status {status} there, {own_status} here")
                    continue
                theirs, ours = series(theirs), series(ours)
                compared += len(theirs)
                lines = []
                for name in sorted(theirs.keys() | ours.keys()):
                    if theirs.get(name) != ours.get(name):
                        lines.append(f"    {name}: {theirs.get(name)} there, {ours.get(name)} here")
                if lines:
                    different += 1
                    print(f"{module} {target}:", *lines, sep="\n")
            print(f"{asked} probes, {compared} series: {different} probes differ")
            sys.exit(1 if different else 0)
        finally:
            for process in processes:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
