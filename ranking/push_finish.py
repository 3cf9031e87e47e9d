"""The last step of a push, compiled: votes become scores, lifted by open evidence (extra `fast`).

The formulas are those of `tastemesh.ranking.salsa` and `tastemesh.ranking.evidence`. What each user
brings to the evidence is found for several egos in one reading of the rows: the few entries that
anybody's regression asks about are put aside, and each ego's sums run along these. Every sum has
the order that it would have for one ego alone.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.evidence import ROUNDING

Ints = NDArray[np.int32]
Values = NDArray[np.float64]
Weights = NDArray[np.float32]


def _discount(values: Values, bases: Values, exponent: float) -> None:
    """Multiply values by bases^-exponent; bases above 0. The exponents by default are roots."""
    if exponent == 0.5:
        for at in range(len(values)):
            values[at] *= 1.0 / np.sqrt(bases[at])
    else:
        for at in range(len(values)):
            values[at] *= bases[at] ** -exponent


def _cut(indptr: Ints, columns: Ints, data: Weights, numbers: Ints) -> tuple[Ints, Ints, Weights]:
    """Return of the rows what has a number, at least 0, by these numbers."""
    ends = np.zeros(len(indptr), np.int32)
    kept, weights = np.empty(len(columns) + 1, np.int32), np.empty(len(columns) + 1, np.float32)
    found = 0
    for user in range(len(indptr) - 1):
        for at in range(indptr[user], indptr[user + 1]):
            number = numbers[np.uint32(columns[at])]  # of signed ones, whether below 0
            kept[found], weights[found] = number, data[at]
            found += number >= 0  # no branch: which entries have one cannot be foreseen
        ends[user + 1] = found
    return ends, kept[:found], weights[:found]


def _regress(
    indptr: Ints,
    features: Ints,
    data: Weights,
    scale: float,
    amounts: Values,
    tastes: Values,
    doubt: float,
) -> Values:
    """Return x of `tastemesh.ranking.evidence`, by Cholesky.

    Args:
        indptr: of the rows.
        features: of the rows; the number of each.
        data: of the rows.
        scale: of the weights.
        amounts: float64[users]; how much each is heard.
        tastes: float64[features]; own.
        doubt: lambda, above 0.
    """
    count = len(tastes)
    gram = np.zeros((count, count))
    for user in range(len(amounts)):
        if amounts[user] <= 0.0:
            continue
        for one in range(indptr[user], indptr[user + 1]):
            amount = amounts[user] * (data[one] * scale)
            for other in range(indptr[user], one + 1):
                low = min(features[one], features[other])
                high = max(features[one], features[other])
                gram[high, low] += amount * (data[other] * scale)
    # A column at a time, so that the terms of one step are independent and side by side.
    for column in range(count):
        gram[column, column] += doubt
    result = tastes.copy()
    factor = np.empty(count)
    for column in range(count):
        gram[column, column] = np.sqrt(gram[column, column])
        result[column] /= gram[column, column]
        for row in range(column + 1, count):
            factor[row] = gram[row, column] / gram[column, column]
            gram[row, column] = factor[row]
            result[row] -= factor[row] * result[column]
            for at in range(column + 1, row + 1):
                gram[row, at] -= factor[row] * factor[at]
    for row in range(count - 1, -1, -1):
        for at in range(row + 1, count):
            result[row] -= gram[at, row] * result[at]
        result[row] /= gram[row, row]
    return result


def _foretell(
    indptr: Ints,
    columns: Ints,
    data: Weights,
    volumes: Values,
    scale: float,
    item_count: int,
    voices: Values,
    features: Ints,
    feature_ends: Ints,
    tastes: Values,
    exponent: float,
    doubt: float,
    brought: Values,
) -> Values:
    """Fill what a user brings to evidence, per weight of an item; return the most of each ego.

    Args:
        indptr: of the rows.
        columns: of the rows.
        data: of the rows.
        volumes: of the users.
        scale: of the weights.
        item_count: n.
        voices: float64[egos, users]; how much each is heard, ego's own 0.
        features: items that the regressions ask about, ego by ego.
        feature_ends: int32[egos + 1]; where each ego's are.
        tastes: of the features.
        exponent: a.
        doubt: lambda.
        brought: float64[egos, users]; 0 before.
    """
    places = np.full(item_count, -1, np.int32)
    count = 0
    for item in features:
        if places[item] < 0:
            places[item] = count
            count += 1
    asked_ends, asked, asked_data = cut(indptr, columns, data, places)
    has_any = volumes > 0.0
    rates = has_any.astype(np.float64)
    discounted(rates, np.where(has_any, volumes, 1.0), exponent)
    numbers = np.empty(count, np.int32)
    amounts = np.empty(len(volumes))
    most = np.zeros(len(voices))
    for ego in range(len(voices)):
        own = features[feature_ends[ego] : feature_ends[ego + 1]]
        if len(own) == 0:
            continue
        numbers[:] = -1
        for number in range(len(own)):
            numbers[places[own[number]]] = number
        ends, met, weights = cut(asked_ends, asked, asked_data, numbers)
        amounts[:] = voices[ego] * rates
        taste = tastes[feature_ends[ego] : feature_ends[ego + 1]]
        says = regressed(ends, met, weights, scale, amounts, taste, doubt)
        for user in range(len(volumes)):
            total = 0.0
            for at in range(ends[user], ends[user + 1]):
                total += says[met[at]] * weights[at]
            brought[ego, user] = total * (scale * amounts[user])
            most[ego] = max(most[ego], abs(brought[ego, user]))
    return most


def _finish(
    indptr: Ints,
    columns: Ints,
    own: Ints,
    scale: float,
    held: Values,
    heard: Values,
    evidence: Values,
    most: float,
    kappa: float,
    popularity_exponent: float,
    contact_exponent: float,
    open_gain: float,
    open_popularity_exponent: float,
    scores: Values,
) -> None:
    """Make scores of an ego's votes: without own items, discounted, lifted by evidence.

    Args:
        indptr: of the rows.
        columns: of the rows.
        own: ego's rows.
        scale: of the weights.
        held: as in `tastemesh.ranking.salsa.Scores`.
        heard: float64[items]; sum of the voices that hold each, without the scale; written over.
        evidence: float64[items]; what users brought, without the scale; written over.
        most: the most that one of them brought.
        kappa: see `tastemesh.ranking.parameters.SalsaParameters`, as the next four.
        popularity_exponent: p.
        contact_exponent: q.
        open_gain: C.
        open_popularity_exponent: b.
        scores: float64[items]; sum_c s_c(j)^q, at least 0; becomes `Scores.items`.
    """
    for ego in own:
        for at in range(indptr[ego], indptr[ego + 1]):
            scores[columns[at]] = 0.0
    if contact_exponent == 0.5:
        scores *= scores
    elif contact_exponent != 1.0:
        for item in range(len(scores)):
            scores[item] **= 1.0 / contact_exponent
    scores *= scale
    if popularity_exponent > 0.0:
        discounted(scores, 1.0 + held / kappa, popularity_exponent)
    if open_gain <= 1.0:
        return
    least = ROUNDING * most
    for item in range(len(scores)):
        amount = evidence[item] * scale
        evidence[item] = amount if amount > least else 0.0
        heard[item] = max(heard[item] * scale, 1.0)
    discounted(evidence, heard, open_popularity_exponent)
    largest = 0.0
    for item in range(len(scores)):
        if evidence[item] > largest and scores[item] > 0.0:
            largest = evidence[item]
    if largest > 0.0:
        for item in range(len(scores)):
            scores[item] *= 1.0 + (open_gain - 1.0) * min(evidence[item] / largest, 1.0)


discounted = compiled(_discount, error_model="numpy")
cut = compiled(_cut)
regressed = compiled(_regress, error_model="numpy")
foretold = compiled(_foretell, error_model="numpy")
finished = compiled(_finish, error_model="numpy")
