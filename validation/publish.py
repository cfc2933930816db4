"""The command ``python -m validation.publish``: the tables of a run as a page of the manual."""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image

INTRODUCTION = """# How good it is

Artificial data with known truth (`pyhrf simulate`), of many kinds so that nothing is tuned to
one, are given to PyHRF and to the GLM as a careful user would run it (nilearn: AR(1) noise;
canonical HRF, with derivatives, or FIR; unsmoothed, smoothed with 5 and with 8 mm). The best GLM
of each column is picked with the truth in hand, which no user has.

- **HRF error**: norm of the difference of estimated and true response, both of unit norm; median
  over parcels.
- **AUC** of the activation map within parcels; **Brier**: mean squared error of P(active).
- **Calibration error**: how far P(active) lies from the fraction that is active. Of the error
  bars, the share that covers the truth: they promise 0.68 and 0.95.

JDE is the default, with AR(1) noise; white stands for white noise. This command made what is
below, from a checkout with `pip install . matplotlib`:

    {command}
"""

FIGURES = {
    "auc": "Activation: AUC of each method in each scenario",
    "hrf_error": "Responses: error of each method in each scenario",
    "reliability": "What P(active) says, and how often it is so",
}

SECTIONS = {
    "field": "The field: fixed strengths and the one that is chosen",
    "sampler": "Does the sampler draw from its model?",
    "realnoise": "On the noise of real data",
    "held_out": "Scans that were held out",
    "single_trials": "Single trials",
}
"""What other commands write into the folder of results, and its title."""


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("docs", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(results: Path, docs: Path) -> None:
    """Write DOCS/validation.md and its pictures from the folder RESULTS of a run."""
    made_by, _, tables = (results / "validation.md").read_text("utf-8").partition("\n")
    tables = tables.partition("## Every method")[0].strip()
    pictures = docs / "validation"
    pictures.mkdir(exist_ok=True)
    shown = []
    for name, caption in FIGURES.items():
        with Image.open(results / f"{name}.png") as picture:
            small = picture.convert("RGB").quantize(32)
        small.save(pictures / f"{name}.png", optimize=True)
        shown.append(f"![{caption}](validation/{name}.png)")
    for name, title in SECTIONS.items():
        section = results / f"{name}.md"
        if section.exists():
            tables += f"\n\n## {title}\n\n{section.read_text('utf-8').strip()}"
    text = [INTRODUCTION.format(command=made_by.split("`")[1]), tables, *shown]
    (docs / "validation.md").write_text("\n\n".join(text) + "\n", "utf-8")
    click.echo(f"{docs / 'validation.md'} is written.")


if __name__ == "__main__":
    main()
