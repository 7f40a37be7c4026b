"""A client of OnSync's wire format in its JSON form, with nothing but the standard library.

    python3 client.py URL TOKEN STATE.json pull ENTITY PATTERN COLUMN:KEY|COLUMN...
    python3 client.py URL TOKEN STATE.json push ENTITY PATTERN COLUMNS KIND RECORD_JSON VALUES_JSON

The state file holds the instance, the next number, mutations without outcome, checkpoints and records. It is replaced
atomically: after each page with its checkpoint, and before a mutation is first sent.
"""

import gzip
import json
import os
import sys
import urllib.error
import urllib.request
import uuid

JSONL = "application/vnd.onsync.v1+jsonl"


class State:
    """What the client keeps, in one file."""

    def __init__(self, path):
        self.path = path
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.data = json.load(file)
        else:
            self.data = {
                "instance": str(uuid.uuid4()),
                "number": 1,
                "outbox": [],
                "checkpoints": {},
                "records": {},
                "outcomes": [],
            }

    def save(self):
        temporary = self.path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self.data, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)


def plain(value):
    """The content of a single value: {"integer": 7} -> 7."""
    return None if value is None else next(iter(value.values()))


def name_of(key):
    """A key as text that orders nothing but names a record here."""
    return json.dumps([plain(value) for value in key])


def in_range(key, bounds):
    """Whether a key of integers or texts lies in a snapshot's range."""
    key = [plain(value) for value in key]
    after, to = bounds.get("after"), bounds.get("to")
    if after is not None and key <= [plain(value) for value in after]:
        return False
    return to is None or key <= [plain(value) for value in to]


class Client:
    def __init__(self, url, token, state):
        self.url, self.token, self.state = url, token, state

    def sync(self, entity, pattern, columns, key_columns, pull):
        """Sends what waits and, if asked, takes what this client lacks."""
        data = self.state.data
        waiting = data["outbox"]
        frames = [
            {
                "hello": {
                    "protocol": 1,
                    "instance": data["instance"],
                    "settled_to": (waiting[0]["number"] if waiting else data["number"]) - 1,
                    "context": "python",
                }
            }
        ]
        request = {
            "entity": entity,
            "pattern": pattern,
            "columns": columns,
            "pull": pull,
            "page_rows": 500,
            "page_bytes": 1 << 20,
        }
        if entity in data["checkpoints"]:
            request["checkpoint"] = data["checkpoints"][entity]
        frames.append({"entity": request})
        frames += [{"mutation": mutation} for mutation in waiting]
        frames.append({"end": {}})
        ended = False
        for frame in self.exchange(frames):
            ((kind, body),) = frame.items()
            if kind == "failed":
                raise SystemExit(f"{body['code']}: {body['message']}")
            if kind == "outcome":
                self.settle(body)
            elif kind == "page":
                self.apply(body, columns, key_columns)
            elif kind == "entity" and "failed" in body["state"]:
                raise SystemExit(body["state"]["failed"]["message"])
            elif kind == "end":
                ended = True
        if not ended:
            raise SystemExit("answer_truncated: the answer ended without its end frame")

    def exchange(self, frames):
        body = "".join(json.dumps(frame) + "\n" for frame in frames).encode()
        headers = {
            "Content-Type": JSONL,
            "Accept": JSONL,
            "Accept-Encoding": "gzip",
            "Content-Encoding": "gzip",
            "Authorization": f"Bearer {self.token}",
        }
        request = urllib.request.Request(self.url + "/v1/sync", gzip.compress(body), headers)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        if answer.headers.get_content_type() != JSONL:
            raise SystemExit(f"not_onsync: wanted {JSONL}, found {answer.headers.get_content_type()}")
        compressed = answer.headers.get("Content-Encoding") == "gzip"
        for line in gzip.GzipFile(fileobj=answer) if compressed else answer:
            if line.strip():
                yield json.loads(line)

    def settle(self, frame):
        """An outcome counts once: its mutation leaves the outbox with it."""
        outcome = frame["outcome"]
        if isinstance(outcome, dict) and "retry" in outcome:
            return
        data = self.state.data
        data["outbox"] = [waiting for waiting in data["outbox"] if waiting["id"] != frame["id"]]
        data["outcomes"].append(frame)
        self.state.save()

    def apply(self, page, columns, key_columns):
        """A page is applied as a whole, with its checkpoint."""
        data = self.state.data
        records = data["records"].setdefault(page["entity"], {})
        types = [next(iter(column)) for column in page["rows"]]
        rows = list(zip(*(next(iter(column.values())) for column in page["rows"])))
        arrived = {}
        for row in rows:
            record = dict(zip(columns, row))
            key = [{types[columns.index(name)]: record[name]} for name in key_columns]
            arrived[name_of(key)] = {"key": key, "values": record}
        if isinstance(page["kind"], dict):
            bounds = page["kind"]["snapshot"]
            for name in [name for name, record in records.items() if in_range(record["key"], bounds)]:
                del records[name]
        for key in page.get("deleted", []) + page.get("removed", []):
            records.pop(name_of(key), None)
        records.update(arrived)
        data["checkpoints"][page["entity"]] = page["checkpoint"]
        self.state.save()

    def push(self, entity, kind, record, values):
        """Stores a mutation; the next sync sends it."""
        data = self.state.data
        mutation = {"id": str(uuid.uuid4()), "number": data["number"], "entity": entity, "kind": kind}
        mutation["record"] = {"created": mutation["id"]} if record is None else {"key": record}
        mutation["values"] = values
        data["number"] += 1
        data["outbox"].append(mutation)
        self.state.save()


def main():
    url, token, path, verb, entity, pattern, columns, *rest = sys.argv[1:]
    state = State(path)
    client = Client(url, token, state)
    columns, keys = (columns.split(":") + [""])[:2]
    columns, keys = columns.split(","), (keys or columns.split(",")[0]).split(",")
    if verb == "push":
        kind, record, values = rest
        client.push(entity, kind, json.loads(record), json.loads(values))
    client.sync(entity, pattern, columns, keys, verb == "pull")
    print(json.dumps({"records": state.data["records"].get(entity, {}), "outcomes": state.data["outcomes"]}))


if __name__ == "__main__":
    main()
