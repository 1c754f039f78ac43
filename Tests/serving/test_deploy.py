"""The files under Deploy/, as far as they can be checked without a cluster or a registry. Needs no server."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "Deploy"
KUBERNETES = "1.33"
PROBES = {"livenessProbe": "/v2/health/live", "readinessProbe": "/v2/health/ready", "startupProbe": "/v2/health/ready"}


def documents(name):
    return [document for document in yaml.safe_load_all((DEPLOY / name).read_text()) if document]


def kinds(name):
    found = {document["kind"]: document for document in documents(name)}
    assert len(found) == len(documents(name)), "two documents of one kind"
    return found


@pytest.fixture(scope="module")
def instructions():
    """The Dockerfile as [(stage, instruction, words)]."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    found, stage = [], -1
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, rest = line.split(None, 1)
        stage += name == "FROM"
        found.append((stage, name, rest.strip()))
    return found


def packages_installed(command):
    words = shlex.split(command)
    found = []
    for index, word in enumerate(words):
        if word == "install" and words[index - 1] in ("apt-get", "-y", "-q"):
            for package in words[index + 1:]:
                if package in ("&&", ";"):
                    break
                if not package.startswith("-"):
                    found.append(package)
    return found


# MARK: the image

def test_the_image_is_built_in_stages_and_runs_without_root(instructions):
    stages = [rest for _, name, rest in instructions if name == "FROM"]
    assert len(stages) == 2
    image, tag = stages[0].split()[0].split(":")
    major, minor = map(int, tag.split("-")[0].split("."))
    assert image == "swift" and (major, minor) >= (6, 1) and tag.endswith("-bookworm"), stages[0]
    assert stages[1] == "debian:bookworm-slim", "the libraries' versions are those of Debian 12"
    last = [(name, rest) for stage, name, rest in instructions if stage == 1]
    users = [rest for name, rest in last if name == "USER"]
    assert users and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]), "a user by number, and not root"
    names = [name for name, _ in last]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))
    assert not any(name == "ADD" for _, name, _ in instructions)


def test_the_image_starts_the_server_and_looks_after_it(instructions):
    last = {name: rest for stage, name, rest in instructions if stage == 1}
    command = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    assert command == ["pando", "serve", "/bundle", "--host", "0.0.0.0", "--port", "8080"]
    assert last["EXPOSE"] == "8080" and last["VOLUME"] == "/bundle" and last["STOPSIGNAL"] == "SIGTERM"
    options, check = last["HEALTHCHECK"].split("CMD", 1)
    assert "--interval=" in options and "--timeout=" in options
    check = json.loads(check)
    assert check[0] == "curl" and "--fail" in check and check[-1] == "http://127.0.0.1:8080/v2/health/ready"


def test_the_image_is_built_from_files_that_exist(instructions):
    ignored = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    for stage, name, rest in instructions:
        if name != "COPY" or "--from" in rest:
            continue
        for source in shlex.split(rest)[:-1]:
            assert (ROOT / source).exists(), f"COPY {source}: no such file"
            assert source in allowed, f"COPY {source}: left out by Dockerfile.dockerignore"
    copied = {shlex.split(rest)[0] for _, name, rest in instructions if name == "COPY" and "--from" not in rest}
    paths = set(re.findall(r'path: "([^"/]+)', (ROOT / "Package.swift").read_text()))
    assert {"run", "Package.swift", "Sources"} | paths <= copied, "Package.swift names folders that are not copied"


def test_the_build_stage_leaves_its_packages_to_run(instructions):
    commands = [rest for stage, name, rest in instructions if stage == 0 and name == "RUN"]
    setup = next(command for command in commands if "./run" in command)
    assert re.search(r"^\./run setup --data scenes$", setup)
    assert "setup" in (ROOT / "run").read_text()
    assert not any(packages_installed(command) for command in commands), "a second list of packages would rot"


def test_the_run_stage_has_the_libraries_the_program_needs(instructions):
    commands = [rest for stage, name, rest in instructions if stage == 1 and name == "RUN"]
    packages = {package for command in commands for package in packages_installed(command)}
    assert "curl" in packages, "HEALTHCHECK calls it"
    for command in commands:
        if "apt-get install" in command:
            assert "apt-get update" in command and "--no-install-recommends" in command and " -y" in command
            assert command.count("rm -rf /var/lib/apt/lists/*") == 1
    # What `run` installs to build with has here its library alone.
    libraries = {"libvips-dev": "libvips42", "libsqlite3-dev": "libsqlite3-0", "libgomp1": "libgomp1", "liblapack3": "liblapack3",
                 "libavformat-dev": "libavformat59", "libavcodec-dev": "libavcodec59", "libavutil-dev": "libavutil57",
                 "libswscale-dev": "libswscale6", "libstdc++-12-dev": "libstdc++6"}
    listed = re.search(r"SYSTEM_PACKAGES=\(([^)]*)\)", (ROOT / "run").read_text()).group(1).split()
    for built_with, needed in libraries.items():
        assert built_with in listed, f"run does not install {built_with} any more: does the image still need {needed}?"
        assert needed in packages, f"the run image lacks {needed}"
    new = [name for name in listed if name.startswith("lib") and name.endswith("-dev") and name not in libraries and name != "libc6-dev"]
    assert not new, f"run installs {new}; the run image may need their libraries"
    if shutil.which("apt-cache"):
        known = subprocess.run(["apt-cache", "show", *sorted(packages)], capture_output=True, text=True)
        if "Package: curl" in known.stdout:
            missing = [name for name in packages if not re.search(rf"^Package: {re.escape(name)}$", known.stdout, re.M)]
            assert not missing, f"Debian has no {missing}"


def test_the_program_finds_its_libraries_beside_it(instructions):
    staging = next(rest for stage, name, rest in instructions if stage == 0 and name == "RUN" and "/staging" in rest)
    assert ".build/release/pando" in staging and "ldd" in staging and "*.resources" in staging
    workdir = next(rest for _, name, rest in instructions if name == "WORKDIR")
    assert f"^{workdir}/" in staging, "oneDNN of the private prefix is not copied"
    program = ROOT / ".build/release/pando"
    if not program.exists() or not shutil.which("readelf"):
        pytest.skip("the program is not built here")
    dynamic = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True).stdout
    path = re.search(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic).group(1).split(":")
    assert "$ORIGIN" in path, f"the run path {path} lacks the program's own folder"


# MARK: Kubernetes

@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"])
def test_kubernetes_takes_it(kind):
    kubernetes_validate.validate(kinds("kubernetes.yaml")[kind], KUBERNETES, strict=True)


def test_the_deployment_hangs_together():
    found = kinds("kubernetes.yaml")
    spec = found["Deployment"]["spec"]
    labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    for selector in (spec["selector"]["matchLabels"], found["Service"]["spec"]["selector"],
                     found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    container, = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in ports
    for probe, path in PROBES.items():
        assert container[probe]["httpGet"]["path"] == path and container[probe]["httpGet"]["port"] in ports
    assert container["args"][0] == "serve" and container["args"][container["args"].index("--port") + 1] == str(ports["http"])
    assert container["args"][container["args"].index("--host") + 1] == "0.0.0.0"
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert mounts["bundle"]["mountPath"] == container["args"][1] and mounts["bundle"]["readOnly"]
    claim = next(volume for volume in pod["volumes"] if volume["name"] == "bundle")["persistentVolumeClaim"]
    assert claim["claimName"] == found["PersistentVolumeClaim"]["metadata"]["name"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + 30, "the server has 30 s for requests under way"
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
    assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    target = found["HorizontalPodAutoscaler"]["spec"]
    assert target["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": found["Deployment"]["metadata"]["name"]}
    assert target["minReplicas"] <= spec["replicas"] <= target["maxReplicas"]
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < spec["replicas"]


def test_kserve():
    """KServe's own schemas are in no package: the fields it requires, by hand, and the container by Kubernetes' schema."""
    found = kinds("kserve.yaml")
    runtime, service = found["ClusterServingRuntime"], found["InferenceService"]
    assert runtime["apiVersion"] == "serving.kserve.io/v1alpha1" and service["apiVersion"] == "serving.kserve.io/v1beta1"
    container, = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container", "KServe looks for this name"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    assert runtime["spec"]["protocolVersions"] == ["v2"]
    assert "/mnt/models" in container["args"], "where KServe puts what storageUri names"
    port = container["ports"][0]["containerPort"]
    assert container["args"][container["args"].index("--port") + 1] == str(port)
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": PROBES[probe], "port": port}
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"] and model["protocolVersion"] == "v2"
    formats = {(each["name"], each["version"]) for each in runtime["spec"]["supportedModelFormats"]}
    assert (model["modelFormat"]["name"], model["modelFormat"]["version"]) in formats
    assert re.fullmatch(r"(pvc|s3|gs|https?|hf|oci)://\S+", model["storageUri"])


# MARK: systemd

def test_the_unit_is_one_systemd_takes_and_shuts_in(tmp_path):
    text = (DEPLOY / "pando.service").read_text()
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "Restart=on-failure", "CapabilityBoundingSet="):
        assert re.search(rf"^{re.escape(line)}$", text, re.M), f"no {line}"
    assert re.search(r"^MemoryMax=\d+[MG]$", text, re.M) and re.search(r"^TimeoutStopSec=(3[1-9]|[4-9]\d)$", text, re.M)
    assert re.search(r"^ExecStart=\S+/pando serve \S+ --host \S+ --port \d+$", text, re.M)
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    copy = tmp_path / "pando.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.M))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60)
    assert verified.returncode == 0 and "pando.service" not in verified.stderr, verified.stderr
    rated = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(copy)], capture_output=True,
                           text=True, timeout=60)
    assert rated.returncode == 0, f"exposed more than 2.0 of 10: {rated.stdout[-200:]}{rated.stderr}"


# MARK: what watches it

def metrics_of_the_server():
    source = (ROOT / "Sources/PandoServing/Metrics/ServingMetrics.swift").read_text()
    return set(re.findall(r'"(pando_\w+)":', source))


def test_prometheus_collects_what_the_server_offers():
    configuration, = documents("prometheus.yaml")
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert len(jobs) == 2
    assert jobs["pando"]["metrics_path"] == "/metrics" and jobs["pando"]["static_configs"][0]["targets"] == ["127.0.0.1:8080"]
    annotations = kinds("kubernetes.yaml")["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    labels = {re.sub(r"\W", "_", name): value for name, value in annotations.items()}
    for rule in jobs["pando-pods"]["relabel_configs"]:
        re.compile(rule.get("regex", ""))
        for label in rule["source_labels"]:
            assert re.match(r"__meta_kubernetes_pod_", label)
            if "annotation_" in label:
                assert label.split("annotation_")[1] in labels, f"no pod has {label}"


def test_the_dashboard_asks_for_metrics_that_exist():
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) and all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    offered = metrics_of_the_server()
    assert len(offered) > 5
    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        for name in re.findall(r"pando_\w+", expression):
            assert name in offered or re.sub(r"_(bucket|sum|count)$", "", name) in offered, f"the server has no {name}"
