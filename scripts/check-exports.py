"""What scripts/check-exports does once the readers are there: check-exports.py BAKEOFF RUN FOLDER."""

import json
import re
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

BAKEOFF, RUN, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), Path(sys.argv[3])
failed = []


def export(format, *runs, to=None, extra=()):
    """The export of some runs, as a file."""
    file = FOLDER / (to or f"{format}.out")
    runs = [str(run) for run in runs or [RUN]]
    subprocess.run([BAKEOFF, "export", *runs, "--to", format, "--output", file, *extra], check=True)
    return file


def check(name):
    """Runs a check now, and says how it went."""

    def decorate(body):
        try:
            print(f"ok       {name}: {body()}")
        except ModuleNotFoundError as error:
            print(f"skipped  {name}: {error}")
        except Exception as error:  # noqa: BLE001 # whatever a reader does not like
            failed.append(name)
            print(f"FAILED   {name}: {type(error).__name__}: {error}")

    return decorate


@check("hyperfine")
def _():
    # What hyperfine 1.20 writes (src/benchmark/benchmark_result.rs); its scripts read command, times, mean, stddev,
    # median and parameters.
    kinds = {
        "command": str, "mean": float, "stddev": (float, type(None)), "median": float, "user": type(None),
        "system": type(None), "min": float, "max": float, "times": list, "exit_codes": list,
    }
    results = json.loads(export("hyperfine").read_text())["results"]
    for result in results:
        for key, kind in kinds.items():
            assert isinstance(result[key], kind), (key, result)
        assert set(result) <= set(kinds) | {"parameters"}, set(result)
        assert len(result["times"]) == len(result["exit_codes"])
        assert result["min"] <= result["median"] <= result["max"]
        assert min(result["times"]) == result["min"] and max(result["times"]) == result["max"]
        assert abs(sum(result["times"]) / len(result["times"]) - result["mean"]) < 1e-9
        assert all(isinstance(value, str) for value in result.get("parameters", {}).values())
    assert len({result["command"] for result in results}) == len(results)
    return f"{len(results)} commands"


@check("bmf")
def _():
    import jsonschema

    # The schema that Bencher publishes for its metric format, with what it says of lengths beside it.
    number = {"type": "number"}
    metric = {
        "type": "object", "required": ["value"], "additionalProperties": False,
        "properties": {"value": number, "lower_value": number, "upper_value": number},
    }
    measures = {"type": "object", "patternProperties": {"^[a-z0-9-]{1,64}$": metric}, "additionalProperties": False}
    schema = {"type": "object", "patternProperties": {"^.{1,1024}$": measures}, "additionalProperties": False}
    document = json.loads(export("bmf").read_text())
    jsonschema.validate(document, schema)
    latencies = [measures["latency"]["value"] for measures in document.values() if "latency" in measures]
    assert latencies and all(value > 1e6 for value in latencies), "nanoseconds"
    return f"{len(document)} benchmarks"


@check("github-action-benchmark")
def _():
    # Its zod schema: name, value, unit; range and extra if they are there (src/extract.ts).
    entries = json.loads(export("github-action-benchmark").read_text())
    assert entries, "it refuses an empty list"
    for entry in entries:
        assert isinstance(entry["name"], str) and isinstance(entry["unit"], str)
        assert isinstance(entry["value"], (int, float)) and not isinstance(entry["value"], bool)
        assert set(entry) <= {"name", "value", "unit", "range", "extra"}
        assert all(isinstance(entry.get(key, ""), str) for key in ("range", "extra"))
    assert len({entry["name"] for entry in entries}) == len(entries)
    return f"{len(entries)} entries"


def nights(count, step, factor):
    """Folders of as many runs, a day apart, the later ones slower: RUN with other times."""
    lines = [json.loads(line) for line in (RUN / "journal.jsonl").read_text().splitlines()]
    for night in range(count):
        folder = FOLDER / "runs" / f"{night:03}"
        folder.mkdir(parents=True)
        scale = (factor if night >= step else 1) * (1 + 0.01 * ((night * 7919) % 13 - 6) / 6)
        with (folder / "journal.jsonl").open("w") as file:
            for line in lines:
                line = json.loads(json.dumps(line))
                if line["event"] == "run-started":
                    begun = datetime.fromisoformat(re.sub(r"\.\d+Z$", "+00:00", line["started"]))
                    line["started"] = (begun - timedelta(days=count - night)).strftime("%Y-%m-%dT%H:%M:%SZ")
                    line["run"] = f"night-{night:03}"
                elif line["event"] == "phase":
                    line["wall_ns"] = int(line["wall_ns"] * scale)
                file.write(json.dumps(line) + "\n")
        yield folder


@check("otava")
def _():
    runs = list(nights(30, 20, 1.2))
    export("otava", *runs, to="bakeoff.csv")
    config = export("otava-config", *runs, to="otava.yaml")
    test = re.search(r'^  "(.*)":$', config.read_text(), re.M)[1]
    from datetime import timezone

    # It looks at the last year only, unless it is told otherwise.
    oldest = datetime.now(timezone.utc) - timedelta(days=3650)
    command = [
        FOLDER / "venv/bin/otava", "analyze", test, "--config-file", config, "--since", oldest.strftime("%Y-%m-%d"),
        "--until", "2099-01-01", "--output", "json",
    ]
    told = subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, text=True).stdout
    changes = json.loads(told)[test]
    assert len(changes) == 1, changes
    names = {change["metric"] for change in changes[0]["changes"]}
    metrics = re.findall(r'^      "(.*)": \{', config.read_text(), re.M)
    times = {name for name in metrics if not re.search(r"size|bytes|downloaded", name)}
    assert names == times, (names ^ times)
    return f"{len(runs)} runs, {len(metrics)} figures; it found the one change of all {len(names)} times and of nothing else"


@check("junit")
def _():
    import junitparser
    import xmlschema

    file = export("junit")
    xml = junitparser.JUnitXml.fromfile(str(file))
    cases = [case for suite in xml for case in suite]
    assert xml.tests == len(cases) and len({(case.classname, case.name) for case in cases}) == len(cases)
    # What Jenkins' xunit plug-in takes (junit-10.xsd), without what we don't write.
    result = '<xs:complexType mixed="true"><xs:attribute name="message"/><xs:attribute name="type"/></xs:complexType>'
    counts = "".join(f'<xs:attribute name="{name}" type="xs:int"/>' for name in ("tests", "skipped", "failures", "errors"))
    times = '<xs:attribute name="time" type="xs:decimal"/><xs:attribute name="timestamp" type="xs:dateTime"/>'
    name = '<xs:attribute name="name" type="xs:string" use="required"/>'
    schema = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
      <xs:element name="testsuites"><xs:complexType><xs:sequence>
        <xs:element name="testsuite" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
          <xs:element name="properties" minOccurs="0"><xs:complexType><xs:sequence>
            <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
              {name}<xs:attribute name="value" type="xs:string" use="required"/>
            </xs:complexType></xs:element>
          </xs:sequence></xs:complexType></xs:element>
          <xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:choice minOccurs="0">
            <xs:element name="skipped">{result}</xs:element>
            <xs:element name="error">{result}</xs:element>
            <xs:element name="failure">{result}</xs:element>
          </xs:choice>{name}<xs:attribute name="classname" use="required"/>{times}</xs:complexType></xs:element>
        </xs:sequence>{name}{counts}{times}</xs:complexType></xs:element>
      </xs:sequence>{name}{counts}{times}</xs:complexType></xs:element>
    </xs:schema>"""
    xmlschema.XMLSchema(schema).validate(str(file))
    return f"{len(cases)} test cases in {len(list(xml))} suites"


@check("github-step-summary")
def _():
    text = export("github-step-summary").read_bytes()
    assert 0 < len(text) <= 1024 * 1024 and text.decode().startswith("# ")
    return f"{len(text)} bytes"


def spans_of(request):
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


@check("otlp, as a file")
def _():
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    [line] = export("otlp").read_text().splitlines()
    document = json.loads(line)
    # Protobuf's mapping has bytes in base64, OTLP's in hexadecimal: hexadecimal digits are base64 of something too, and of
    # just the same length for each id.
    request = json_format.ParseDict(document, ExportTraceServiceRequest())
    spans = spans_of(request)
    told = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len(spans) == len(told)
    ids = {bytes.fromhex(span["spanId"]) for span in told}
    assert len(ids) == len(told) and all(len(id) == 8 for id in ids)
    assert {len(bytes.fromhex(span["traceId"])) for span in told} == {16}
    roots = [span for span in told if "parentSpanId" not in span]
    assert len(roots) == 1 and all(bytes.fromhex(s["parentSpanId"]) in ids for s in told if s not in roots)
    for span in spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano and span.kind == 1
    return f"{len(spans)} spans"


@check("otlp, over HTTP")
def _():
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    taken = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            request = json_format.Parse(body, ExportTraceServiceRequest())
            taken.append((self.path, self.headers["content-type"], self.headers["x-tenant"], len(spans_of(request))))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b",
        "NO_PROXY": "127.0.0.1",
    }
    subprocess.run([BAKEOFF, "export", RUN, "--to", "otlp"], check=True, env=environment, stdout=subprocess.DEVNULL)
    server.shutdown()
    assert taken and {entry[:3] for entry in taken} == {("/v1/traces", "application/json", "a b")}, taken
    return f"{sum(entry[3] for entry in taken)} spans in {len(taken)} requests"


@check("perfetto")
def _():
    document = json.loads(export("perfetto").read_text())
    events = document["traceEvents"]
    # The Trace Event Format: complete events on one thread must nest.
    tracks = {}
    for event in events:
        if event["ph"] == "X":
            span = (event["ts"], event["ts"] + event["dur"])
            tracks.setdefault((event["pid"], event["tid"]), []).append(span)
        else:
            assert event["ph"] == "M" and event["name"] in {
                "process_name", "process_sort_index", "thread_name", "thread_sort_index",
            }
    for track, spans in tracks.items():
        spans.sort(key=lambda span: (span[0], -span[1]))
        open_until = []
        for start, end in spans:
            open_until = [outer for outer in open_until if outer > start]
            assert all(end <= outer for outer in open_until), (track, start, end)
            open_until.append(end)
    return f"{sum(map(len, tracks.values()))} events on {len(tracks)} tracks, none overlaps"


def cannot_be_had(error):
    """Whether Perfetto's trace processor, which its package downloads when it is first used, could not be."""
    return isinstance(error, OSError) or "trace_processor" in str(error)


@check("perfetto's trace processor")
def _():
    from perfetto.trace_processor import TraceProcessor

    file = export("perfetto")
    told = [event for event in json.loads(file.read_text())["traceEvents"] if event["ph"] == "X"]
    try:
        processor = TraceProcessor(trace=str(file))
    except Exception as error:  # noqa: BLE001 # the package has no type for it
        if cannot_be_had(error):
            raise ModuleNotFoundError(f"it could not be downloaded ({error})") from error
        raise
    with processor as trace:
        [slices] = [row.count for row in trace.query("select count(*) as count from slice")]
        errors = trace.query("select name, value from stats where severity = 'error' and value > 0")
        errors = {row.name: row.value for row in errors}
    assert slices == len(told) and not errors, (slices, len(told), errors)
    return f"{slices} slices"


sys.exit(f"\nerror: not read as meant: {', '.join(failed)}" if failed else 0)
