"""splines.py - a flow of rational-quadratic splines beside PyTorch: samples, densities, training."""
from inprocess import Turns
from table import Row, at_least

# 8 couplings of halves that take turns, in each one network with two hidden layers of 128 (ReLU)
# that chooses curves of 8 bins on [-5, 5].
HIDDEN, SHAPE = 128, {"layers": "spline", "dim": 32, "depth": 2}
NAME = "RQ splines, dim 32, H=%d" % HIDDEN


def rows(engine, torch, work, what, precisions, ways, goal, scale):
    """A row a precision; calls a second times `scale` is the row's unit."""
    turns = Turns(engine, torch, what, HIDDEN, 1000, ways, **SHAPE)
    turns.take(lambda: engine.rates(what, precisions, hidden=HIDDEN, n=1000, threads=engine.cores, **SHAPE))
    made = []
    for precision in precisions:
        row = Row(work, NAME, precision, goal=[at_least(goal)] if precision == "fp32" else [])
        row.ours, row.extra["flops"] = turns.our_rate(precision), turns.flops(precision)
        turns.fill(row, lambda calls: scale * calls)
        made.append(row)
    return made


def measure(engine, torch):
    training = [("1t", "eager"), ("2t", "eager"), ("2tp", "eager"), ("1t", "foreach"), ("2tp", "foreach")]
    return (rows(engine, torch, "sample + log q, n=1000", "sample", ("fp32", "bf16", "int8"), engine.ways, 2.5, 1000)
            + rows(engine, torch, "log q of 1000 rows", "density", ("fp32",), engine.ways, 2.5, 1000)
            + rows(engine, torch, "training step, 1000 rows", "train", ("fp32",),
                   training[:2] if engine.quick else training, 4, 1))
