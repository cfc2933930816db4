"""From studies to their results: the whole way of the data through the rooms, in order."""

from pyhrf.analysis.single import analyse, check_study, load_study
from pyhrf.analysis.together import analyse_all, cancel_all
from pyhrf.analysis.work import LOG_FILE

__all__ = ["LOG_FILE", "analyse", "analyse_all", "cancel_all", "check_study", "load_study"]
