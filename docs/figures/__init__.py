"""Every table and plot of the documents, made anew from data and seeds by one command.

    python -m docs.figures --list
    python -m docs.figures ablation --data DIR
    python -m docs.figures all --data DIR

A figure is a module here with a line in `registry.FIGURES`. Its tables go between two comments of a
document, its plots into docs/images/.
"""
