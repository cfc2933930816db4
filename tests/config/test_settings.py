"""The settings file: the manual's examples, and the place of each mistake."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.config.settings import Settings, load_settings
from pyhrf.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("PYHRF_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config.cfg"


def loaded(file, text):
    file.write_text(text)
    return load_settings(file)


def refusal(file, text):
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    return str(caught.value)


def test_load_settings__defaults_without_a_file():
    settings = load_settings()
    assert settings == Settings()
    assert (settings.parallel_local.nb_procs, settings.parallel_local.niceness) == (0, 10)
    assert (settings.parallel_LAN.niceness, settings.parallel_LAN.enable_unit_test) == (10, False)
    assert (settings.parallel_queue.cores, settings.log.level) == (None, None)


def test_load_settings__lan_example_of_the_manual(file):
    lan = loaded(
        file,
        "[parallel-LAN]\nniceness = 10 \nremote_path = /path/to/store/results\n"
        "hosts = localhost,localhost, other.lab\nuser = my_user\nremote_host = my_remote_host\n"
        "enable_unit_test = 1\n",
    ).parallel_LAN
    assert lan.slots() == ("localhost", "localhost", "other.lab")
    assert (lan.user, lan.remote_host, lan.enable_unit_test) == ("my_user", "my_remote_host", True)
    assert lan.remote_path == "/path/to/store/results"


def test_load_settings__cluster_example_of_the_manual_with_none(file):
    text = "[parallel-cluster]\nserver_id = None\nserver = None\nuser = None\nremote_path =\n"
    assert loaded(file, text) == Settings()
    text = "[parallel-cluster]\nserver_id = CLUSTER\nclient_host = me.lab\npython = /opt/py/python"
    cluster = loaded(file, text).parallel_cluster
    assert (cluster.server_id, cluster.client_host) == ("CLUSTER", "me.lab")
    assert cluster.python == "/opt/py/python"


def test_load_settings__queue_and_log(file):
    settings = loaded(
        file,
        "# a comment\n[parallel-queue]\nqueue = short\nwalltime = 1-02:00:00\nmemory = 4 GB\n"
        "cores = 8\nmax_jobs = 20\nextra_directives = --gres=gpu:1\n  --qos=a:b\n\n"
        "[log]\nlevel = 20\nlog_to_file = ~/pyhrf.log\n",
    )
    queue = settings.parallel_queue
    assert (queue.queue, queue.walltime, queue.memory) == ("short", "1-02:00:00", "4 GB")
    assert (queue.cores, queue.max_jobs) == (8, 20)
    assert queue.extra_directives == ("--gres=gpu:1", "--qos=a:b")
    assert settings.log.level == 20
    assert settings.log.log_to_file == Path("~/pyhrf.log").expanduser()


def test_load_settings__percent_signs_are_ordinary(file):
    assert (
        loaded(file, "[parallel-LAN]\nremote_path = /a/%s%%").parallel_LAN.remote_path == "/a/%s%%"
    )


@pytest.mark.parametrize("section", ["parallel-LAN", "parallel-cluster"])
def test_load_settings__homes_of_others_are_no_remote_path(file, section):
    # Not everything that looks for results there knows them.
    said = refusal(file, f"[{section}]\nremote_path = ~ann/results\n")
    assert "remote_path: ~ann/results is not allowed: may begin with ~/" in said
    assert "write ~ann as a whole path" in said
    for path in ("~", "~/results", "/home/ann/~x"):
        loaded(file, f"[{section}]\nremote_path = {path}\n")


def test_load_settings__environment_before_home(tmp_path, monkeypatch, file):
    home = tmp_path / "home" / ".pyhrf" / "config.cfg"
    home.parent.mkdir(parents=True)
    home.write_text("[parallel-local]\nnb_procs = 2\n")
    assert load_settings().parallel_local.nb_procs == 2
    file.write_text("[parallel-local]\nnb_procs = 3\n")
    monkeypatch.setenv("PYHRF_CONFIG", str(file))
    assert load_settings().parallel_local.nb_procs == 3
    monkeypatch.setenv("PYHRF_CONFIG", "")
    assert load_settings().parallel_local.nb_procs == 2
    monkeypatch.setenv("PYHRF_CONFIG", os.devnull)
    assert load_settings() == Settings()
    monkeypatch.setenv("PYHRF_CONFIG", str(tmp_path / "none.cfg"))
    with pytest.raises(ConfigError, match=r"none\.cfg: no such settings file.*PYHRF_CONFIG"):
        load_settings()


def test_load_settings__refuses_what_is_no_file_or_no_text(tmp_path, file):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)
    with pytest.raises(ConfigError, match="no such settings file"):
        load_settings(file)
    file.write_bytes(b"[log]\n\xff")
    with pytest.raises(ConfigError, match="not a text in UTF-8"):
        load_settings(file)


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("\n[parallel-lan]\nuser = x", 2, ["[parallel-lan]: unknown section", "parallel-LAN"]),
        ("[DEFAULT]\nuser = x", 1, ["[DEFAULT]: unknown section", "known are parallel-local"]),
        ("[log]\n\nlevle = 1", 3, ["[log], key levle: unknown key", "did you mean level?"]),
        ("[parallel-local]\nniceness = 30", 2, ["key niceness: 30", "from 0 to 19"]),
        ("[parallel-local]\nniceness = fast", 2, ["key niceness: fast", "whole number"]),
        ("[parallel-local]\nnb_procs = -1", 2, ["key nb_procs: -1", "at least 0"]),
        ("[parallel-LAN]\nniceness = 1\n[parallel-local]\nniceness = x", 4, ["[parallel-local]"]),
        ("[parallel-LAN]\nenable_unit_test = 2", 2, ["key enable_unit_test: 2", "0 or 1"]),
        (
            "[parallel-LAN]\nhosts = a, b c",
            2,
            ["key hosts: a, b c", "'b c' must be a host name or"],
        ),
        ("[parallel-LAN]\nhosts = a,,b", 2, ["'' must be a host name or a path"]),
        ("[parallel-LAN]\nuser = -oProxyCommand=x", 2, ["key user", "not start with a dash"]),
        ("[parallel-queue]\nwalltime = 12", 2, ["key walltime: 12", "12:00:00"]),
        ("[parallel-queue]\nmemory = lots", 2, ["key memory: lots", "4GB"]),
        ("[parallel-queue]\nextra_directives = #SBATCH -x", 2, ["leave out the mark"]),
        ("[log]\nlevel = 7", 2, ["key level: 7", "0 (silent) to 6, or 10"]),
        ("[log]\nlevel = DEBUG", 2, ["key level: DEBUG", "0 (silent) to 6, or 10"]),
        ("[log]\nlevel = 1\nlevel = 2", 3, ["[log], key level", "twice"]),
        ("[log]\n[log]", 2, ["[log]", "twice"]),
        ("[log]\nlevel 1", 2, ["'level 1' is not KEY = VALUE"]),
        ("level = 1", 1, ["'level = 1' is in no section"]),
    ],
)
def test_load_settings__names_line_section_key_value_and_rule(file, text, line, parts):
    found = refusal(file, text)
    assert found.startswith(f"{file}, line {line}")
    assert len(found.splitlines()) == 1
    for part in parts:
        assert part in found


def test_load_settings__names_each_mistake(file):
    assert len(refusal(file, "[log]\nlevel = 7\nfoo = 1\n").splitlines()) == 2


@given(text=st.text("[]=:#; \nablogev1-", max_size=40) | st.text(max_size=40))
def test_load_settings__never_fails_in_another_way(text, tmp_path_factory):
    file = tmp_path_factory.mktemp("settings") / "config.cfg"
    file.write_text(text, encoding="utf-8", errors="replace")
    try:
        settings = load_settings(file)
    except ConfigError as error:
        if str(file) not in str(error):
            raise
        return
    assert isinstance(settings, Settings)


def test_lan_slots__reads_the_file_of_hosts(tmp_path, file):
    hosts = tmp_path / "hosts_LAN"
    lan = loaded(file, f"[parallel-LAN]\nhosts = {hosts}").parallel_LAN
    with pytest.raises(ConfigError, match="hosts_LAN: cannot be read"):
        lan.slots()
    hosts.write_text("one, one\n# off: three\ntwo  # the fast one\n\n")
    assert lan.slots() == ("one", "one", "two")
    hosts.write_text("one\n-x\n")
    with pytest.raises(ConfigError, match="hosts_LAN, line 2: '-x' is not a host name"):
        lan.slots()
    hosts.write_text("# none\n")
    with pytest.raises(ConfigError, match="holds no host"):
        lan.slots()


def test_lan_slots__default_file_is_in_the_home(tmp_path):
    hosts = tmp_path / "home" / ".pyhrf" / "hosts_LAN"
    hosts.parent.mkdir(parents=True)
    hosts.write_text("one,two")
    assert load_settings().parallel_LAN.slots() == ("one", "two")


@pytest.mark.parametrize(
    "text",
    ["h1,h2,", "h1 h2", "h1, h2  # the fast ones: see /etc/hosts", "h1 ; h3", "\n  h1,\n  h2 # 2"],
)
def test_load_settings__reads_lists_of_hosts_as_people_write_them(file, text):
    expected = ("h1",) if ";" in text else ("h1", "h2")
    assert loaded(file, f"[parallel-LAN]\nhosts = {text}\n").parallel_LAN.slots() == expected


def test_lan_slots__reads_lists_of_hosts_as_people_write_them(tmp_path, file):
    hosts = tmp_path / "hosts #1"
    hosts.write_text("\ufeffh1 h1,\nh2,h3,\n", "utf-8")
    lan = loaded(file, f"[parallel-LAN]\nhosts = {hosts}  # the list\n").parallel_LAN
    assert lan.slots() == ("h1", "h1", "h2", "h3")
    hosts.write_text("h1 h1, h2\n")
    with pytest.raises(ConfigError, match="'h1 h1' is not a host name"):
        lan.slots()


def test_load_settings__passes_over_comments_behind_values(file):
    found = loaded(
        file,
        "[parallel-local]\nniceness = 3 # kind\nnb_procs = 2\t; all\n[parallel-LAN]\n"
        "user = ann  # me\npython = /opt/a #1/python # there\nremote_path = # none\n"
        "[parallel-queue]\nextra_directives = --comment='a # b'\n[log]\nlevel = None # quiet\n",
    )
    assert (found.parallel_local.niceness, found.parallel_local.nb_procs) == (3, 2)
    assert found.parallel_LAN.user == "ann"
    assert found.parallel_LAN.python == "/opt/a #1/python"
    assert found.parallel_LAN.remote_path is None
    assert found.parallel_queue.extra_directives == ("--comment='a # b'",)
    assert found.log.level is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"/opt/a # b/python"', "/opt/a # b/python"),
        ("'/opt/a ; b/python'", "/opt/a ; b/python"),
        ('"/opt/a # b/python"  # that of "all"', "/opt/a # b/python"),
        ('"/opt/a # b/python" ; mine', "/opt/a # b/python"),
        ('"/opt/it\'s # b/python"', "/opt/it's # b/python"),
        ('/opt/a "# 1"/python', '/opt/a "# 1"/python'),
        ('""', None),
        ("'None'", None),
    ],
)
def test_load_settings__reads_what_is_in_quotes_whole(file, text, expected):
    assert loaded(file, f"[parallel-LAN]\npython = {text}\n").parallel_LAN.python == expected


def test_load_settings__reads_files_and_words_in_quotes(file, tmp_path):
    hosts = tmp_path / "hosts # all"
    hosts.write_text("h1\nh2\n")
    found = loaded(
        file,
        f"[parallel-LAN]\nhosts = '{hosts}'\nuser = \"ann\" # me\n"
        f"[log]\nlog_to_file = \"{tmp_path}/log # 1\"\nlevel = '2'\n"
        '[parallel-queue]\nextra_directives = "--a"\n',
    )
    assert found.parallel_LAN.slots() == ("h1", "h2")
    assert found.parallel_LAN.user == "ann"
    assert found.log.log_to_file == tmp_path / "log # 1"
    assert found.log.level == 2
    assert found.parallel_queue.extra_directives == ('"--a"',)


def test_load_settings__passes_over_what_is_of_the_old_program(file, caplog):
    found = loaded(file, "[global]\ntmp_path = /tmp\nuse_mode = enduser\n[log]\nlevel = 1\n")
    assert found.log.level == 1
    assert caplog.messages == [
        f"{file}, line 1, section [global]: it is of PyHRF 0.5 and is ignored: you can remove it"
    ]
