"""A second, naive paper market in floats, written from the time model alone, as an oracle."""

from paper_market import LEAST, STEP

HOURS_8 = 8 * 3_600_000


def trade_by_floats(settings, candles, signals, start_ms):
    """Return equity at each close, and (time, symbol, signed quantity, price) of each fill.

    `candles` and `signals` hold a list a symbol; the signal k is of the close of candle k.
    """
    spot = settings["market_type"] == "spot"
    fee = settings["fees_bps"] / 1e4
    cross = (settings["spread_bps"] / 2 + settings["slippage_bps"]) / 1e4
    holding = 0.0 if spot else settings["funding_bps"] / 1e4
    symbols = settings["symbols"]
    cash, held, price = settings["initial_equity"], {}, {}
    opening, closing = {s: [] for s in symbols}, dict.fromkeys(symbols)
    equities, fills = [], []

    def trade(when, symbol, quantity, at):
        nonlocal cash
        cash -= quantity * at + abs(quantity) * at * fee
        fills.append((when, symbol, quantity, at))

    for k in range(len(candles[symbols[0]])):
        begin, end = start_ms + k * STEP, start_ms + (k + 1) * STEP
        now = {s: candles[s][k] for s in symbols if candles[s][k] is not None}
        for s in symbols:
            if s in now and closing[s] is not None and closing[s] <= begin:
                if s in held:
                    quantity = held.pop(s)["quantity"]
                    trade(
                        begin, s, -quantity, now[s][0] * (1 - cross if quantity > 0 else 1 + cross)
                    )
                else:
                    opening[s] = opening[s][1:]
                closing[s] = None
        for s in symbols:
            for wish in opening[s] if s in now else ():
                if wish["exit"] <= begin:
                    continue
                sign = 1 if wish["side"] == "LONG" else -1
                at = now[s][0] * (1 + sign * cross)
                if spot:
                    most = cash / (at * (1 + fee))
                else:
                    at_open = {**price, **{name: candle[0] for name, candle in now.items()}}
                    equity = cash + sum(p["quantity"] * at_open[n] for n, p in held.items())
                    used = sum(abs(p["quantity"]) * at_open[n] for n, p in held.items())
                    most = (settings["max_total_exposure"] * equity - used) / at
                quantity = min(wish["quantity"], most)
                if quantity * at < LEAST:
                    continue
                trade(begin, s, sign * quantity, at)
                held[s] = {
                    "quantity": sign * quantity,
                    "exit": wish["exit"],
                    "stop": wish["stop"] and at * (1 - sign * wish["stop"]),
                    "target": wish["target"] and at * (1 + sign * wish["target"]),
                }
            if s in now:
                opening[s] = []
        if end % HOURS_8 == 0:
            for s, mine in held.items():
                at = now[s][3] if s in now else price[s]
                cash -= abs(mine["quantity"]) * at * holding
        for s in [s for s in held if s in now]:
            open_, high, low, _ = now[s]
            quantity, stop, target = (held[s][name] for name in ("quantity", "stop", "target"))
            if quantity > 0:
                if stop and low <= stop:
                    trade(end, s, -held.pop(s)["quantity"], min(stop, open_) * (1 - cross))
                elif target and high > target:
                    trade(end, s, -held.pop(s)["quantity"], max(target, open_))
            elif stop and high >= stop:
                trade(end, s, -held.pop(s)["quantity"], max(stop, open_) * (1 + cross))
            elif target and low < target:
                trade(end, s, -held.pop(s)["quantity"], min(target, open_))
        price.update({s: candle[3] for s, candle in now.items()})
        equity = cash + sum(p["quantity"] * price[s] for s, p in held.items())
        equities.append(equity)
        for s in symbols:
            wish, mine, waits = signals[s][k], held.get(s), opening[s]
            busy = closing[s] is not None and (mine or waits)
            if wish is not None and not busy and s in price and not (mine and mine["exit"] < end):
                until, first = end + wish["horizon_steps"] * STEP, wish["revision"] == 0
                mine_long = mine["quantity"] > 0 if mine else waits and waits[0]["side"] == "LONG"
                long = wish["side"] == "LONG"
                new = {
                    "side": wish["side"],
                    "exit": until,
                    "quantity": wish["size"] * equity / price[s],
                    "stop": wish["stop"],
                    "target": wish["target"],
                }
                if not mine and not waits:
                    if first and (long or not spot):
                        opening[s] = [new]
                elif mine_long != long:
                    closing[s] = end
                    if first and not spot:
                        opening[s] = [*waits, new]
                elif mine and first and until > mine["exit"]:
                    mine["exit"] = until
            mine = held.get(s)
            if mine and mine["exit"] <= end and closing[s] is None:
                closing[s] = end
    return equities, fills
