"""Time, memory and accuracy of PyHRF, measured: ``python -m benchmarks [SECTION ...]``.

Each section prints a Markdown table; where the project has a bar to reach, it stands beside the
figure. Seconds belong to the machine, so that bars are ratios to nilearn's general linear model
(GLM) run in turns on the same data wherever that is possible.
"""
