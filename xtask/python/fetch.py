"""Fetch one file over HTTP: taken up again where it broke off, checked, put in place at once.

    fetch.py URL DESTINATION [--sha256 HEX] [--reach SECONDS] [--index NAME]

With --index, URL is the page of a Python package index (PEP 503 or 691) on which the file NAME is
looked up first. The exit code says what went wrong, the last line of standard error how:

    2  the server did not answer in time       5  what came is not what was asked for
    3  the server answered with an error       6  the disk is full or cannot be written
    4  the connection broke, too often         7  NAME is not in the index
"""

import argparse
import hashlib
import html
import http.client
import json
import os
import re
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

UNREACHABLE, REFUSED, CUT, CORRUPT, DISK, MISSING = 2, 3, 4, 5, 6, 7
ATTEMPTS = 5
NETWORK = (OSError, http.client.HTTPException, ssl.SSLError)


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def context():
    """Certificates as pip and requests find them, besides the system's."""
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if os.path.isfile(os.environ.get(name, "")):
            return ssl.create_default_context(cafile=os.environ[name])
    return ssl.create_default_context()


def open_url(url, headers, timeout):
    request = urllib.request.Request(url, headers={"User-Agent": "convlens-setup", **headers})
    return urllib.request.urlopen(request, timeout=timeout, context=context())


def reach(url, headers, seconds):
    """Open `url` within `seconds`, name resolution and proxies included."""
    answer = []

    def attempt():
        try:
            answer.append(open_url(url, headers, seconds))
        except Exception as error:  # handed to the thread that waits
            answer.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise Failure(UNREACHABLE, f"no answer within {seconds:g} s")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def start(url, done, tag, seconds):
    headers = {}
    if done:
        headers["Range"] = f"bytes={done}-"
        if tag:
            headers["If-Range"] = tag
    try:
        return reach(url, headers, seconds)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return None  # the part is as long as the file, or longer
        if error.code >= 500:
            raise
        raise Failure(REFUSED, f"the server answered {error.code} {error.reason}") from error


def fetch(url, destination, sha256, seconds):
    part = destination + ".part"
    tag_file = part + ".etag"
    reached = False
    failures, furthest, last = 0, 0, None
    while True:
        if failures == ATTEMPTS:
            have = os.path.getsize(part) if os.path.exists(part) else 0
            raise Failure(CUT, f"the connection broke {ATTEMPTS} times ({reason(last)}); "
                               f"{size(have)} are kept and the next run goes on from there")
        if failures:
            time.sleep(min(2**failures, 10) * float(os.environ.get("CONVLENS_FETCH_PAUSE", "1")))
        done = os.path.getsize(part) if os.path.exists(part) else 0
        tag = open(tag_file).read() if os.path.exists(tag_file) else ""
        try:
            # A server that answered once may take its time afterwards.
            response = start(url, done, tag, 60 if reached else seconds)
        except Failure as failure:
            if failure.code != UNREACHABLE or not reached:
                raise
            failures, last = failures + 1, failure
            continue
        except NETWORK as error:
            if not reached and not isinstance(error, urllib.error.HTTPError):
                raise Failure(UNREACHABLE, reason(error)) from error
            failures, last = failures + 1, error
            continue
        reached = True
        if response is None:
            remove(part, tag_file)
            failures += 1
            continue
        with response:
            if done and response.status != 206:
                done = 0  # the server starts over
            length = response.headers.get("Content-Length")
            total = done + int(length) if length else None
            if done:
                say(f"taking up the download at {size(done)}")
            with writing(part), open(tag_file, "w") as file:
                tag = response.headers.get("ETag", "")
                file.write("" if tag.startswith("W/") else tag)
            try:
                received = receive(response, part, done, total)
            except NETWORK as error:
                received, last = os.path.getsize(part), error
            else:
                if total is None or received == total:
                    break
                last = EOFError(f"{size(received)} of {size(total)} came")
        # Getting further counts as working, however often it breaks.
        failures = 1 if received > furthest else failures + 1
        furthest = max(furthest, received)
    if sha256:
        found = digest(part)
        if found != sha256:
            remove(part, tag_file)
            raise Failure(CORRUPT, f"its SHA-256 is {found}, expected {sha256}; it was thrown away")
    remove(tag_file)
    os.replace(part, destination)


class writing:
    """Tells errors of the disk from errors of the network: both are OSError."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, OSError):
            raise Failure(DISK, f"cannot write {self.path}: {error.strerror}") from error


def receive(response, part, done, total):
    shown = time.monotonic()
    began, first = shown, done
    with writing(part):
        file = open(part, "ab" if done else "wb", buffering=0)
    with file:
        while True:
            block = response.read(1 << 20)
            if not block:
                return done
            with writing(part):
                file.write(block)
            done += len(block)
            now = time.monotonic()
            if now - shown >= 5:
                shown = now
                rate = (done - first) / (now - began)
                share = f"{100 * done // total} % of {size(total)}" if total else size(done)
                say(f"{share}, {size(rate)}/s")


def look_up(page, name, seconds):
    """The address of `name` on an index page."""
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    try:
        with reach(page, {"Accept": accept}, seconds) as response:
            kind = response.headers.get("Content-Type", "")
            text = response.read().decode()
            base = response.url
    except urllib.error.HTTPError as error:
        raise Failure(REFUSED, f"the index answered {error.code} {error.reason}") from error
    except NETWORK as error:
        raise Failure(UNREACHABLE, reason(error)) from error
    if "json" in kind:
        links = [file["url"] for file in json.loads(text)["files"]]
    else:
        links = [html.unescape(link) for link in re.findall(r'href\s*=\s*["\']([^"\']+)', text)]
    for link in links:
        address = urllib.parse.urljoin(base, link).split("#")[0]
        if urllib.parse.unquote(address).endswith("/" + name):
            return address
    raise Failure(MISSING, f"{name} is not in the index {page}")


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            sha.update(block)
    return sha.hexdigest()


def remove(*paths):
    for path in paths:
        if os.path.exists(path):
            os.remove(path)


def reason(error):
    inner = getattr(error, "reason", None)
    return str(inner if inner is not None else error) or type(error).__name__


def size(count):
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def say(text):
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("destination")
    parser.add_argument("--sha256")
    parser.add_argument("--reach", type=float, default=20)
    parser.add_argument("--index")
    arguments = parser.parse_args()
    try:
        url = arguments.url
        if os.path.exists(arguments.destination):
            if not arguments.sha256 or digest(arguments.destination) == arguments.sha256:
                return
            os.remove(arguments.destination)
        if arguments.index:
            url = look_up(url, arguments.index, arguments.reach)
        fetch(url, arguments.destination, arguments.sha256, arguments.reach)
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.code)


if __name__ == "__main__":
    main()
