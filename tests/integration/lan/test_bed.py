"""The test bed itself: a test that passes because nothing was there would prove nothing."""

from __future__ import annotations

from lan_bed import Bed


def test_bed__hosts_answer_the_client_and_can_be_cut_off(bed: Bed):
    ssh = "import subprocess, sys; sys.exit(subprocess.call(['ssh', *sys.argv[1:]]))"
    home = bed.make_home("bed")
    options = ["-i", home / ".ssh" / "id_ed25519", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2"]
    options += ["-o", f"UserKnownHostsFile={home / '.ssh' / 'known_hosts'}"]
    for host in bed.hosts:
        said = bed.run_client(["-c", ssh, *options, f"pyhrflab@{host}", "hostname"], home=home)
        assert said.stdout.strip() == host
    bed.cut("h2")
    try:
        done = bed.run_client(
            ["-c", ssh, *options, "pyhrflab@h2", "true"], home=home, check=False, timeout=20
        )
    finally:
        bed.mend("h2")
    assert done.returncode == 255


def test_bed__sees_processes_and_ports(bed: Bed):
    assert bed.processes() == []
    assert (bed.address("h1"), 22) in bed.listening("h1")
