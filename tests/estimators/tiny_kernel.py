"""A kernel that takes no time to compile: what is kept, and said, is the same for every one."""

from pyhrf.estimators.kernel_cache import cached_kernels, entry

with cached_kernels():

    @entry
    def twice_the_first(values):
        return 2 * values[0]
