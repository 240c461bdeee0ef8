"""plots.py - pictures of a run, where matplotlib is installed."""
import os


def draw(folder, name, title, x_label, y_label, lines):
    """lines: {label: [(x, y), ...]}, both axes logarithmic; the file's name, or None without
    matplotlib."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return None
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for label, points in lines.items():
        points = [(x, y) for x, y in points if y]
        if points:
            axes.plot(*zip(*points), marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label, title=title)
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xticks(ticks, ["%g" % x for x in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path = os.path.join(folder, name + ".png")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
