"""Tables, maps and provenance written from estimates."""

from pyhrf.results.names import check_names
from pyhrf.results.provenance import collect_provenance, write_provenance
from pyhrf.results.results import Results
from pyhrf.results.write import write_results

__all__ = [
    "Results",
    "check_names",
    "collect_provenance",
    "write_provenance",
    "write_results",
]
