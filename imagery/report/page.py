"""The page itself: HTML without scripts, its pictures inside, both languages with a switch between them."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from imagery.account import Account, Share
from imagery.quality import BY_PRIORS, MosaicReport
from imagery.report.advice import Advice, advice_of, lanes
from imagery.report.plots import accuracy_picture, overlap_picture, photo_picture, residual_picture
from imagery.report.words import LANGUAGES, sentence, word

_STYLE = """
body{font:16px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1c2733;background:#fff;
max-width:60em;margin:1.5em auto;padding:0 1em}
h1{font-size:1.6em;margin:.2em 0}h2{font-size:1.2em;margin:1.6em 0 .4em;border-bottom:1px solid #c9d1da}
table{border-collapse:collapse;font-size:.9em}td,th{padding:.2em .8em .2em 0;text-align:left}
th{border-bottom:1px solid #c9d1da;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
img{max-width:100%;display:block}
.note{color:#51606e;font-size:.9em;margin:.2em 0 .6em}
.do{margin:.5em 0;padding:.6em .8em;border-left:.4em solid #d8a000;background:#fff8e0}
.urgent{border-color:#a50026;background:#fdecea;font-weight:600}.good{border-color:#1a9850;background:#eaf6ee}
.zh{display:block;font-weight:normal}
h1 .zh,h2 .zh,td .zh,th .zh,summary .zh{display:inline;margin-left:.5em;
color:#51606e}
input.l{position:absolute;opacity:0}label{padding:.1em .6em;border:1px solid #c9d1da;cursor:pointer}
#en:checked~main .zh,#zh:checked~main .en{display:none}
#zh:checked~main .zh{margin-left:0;color:inherit}
#en:checked~nav [for=en],#zh:checked~nav [for=zh],#both:checked~nav [for=both]
{background:#1c2733;color:#fff}
@media print{nav{display:none}}
"""


def quality_page(report: MosaicReport, name: str) -> str:
    """The report of the mosaic file `name` as one HTML text. The report must have its account."""
    account = report.account
    assert account is not None
    control = report.control.points if report.control else ()
    parts = [
        f"<h1>{_word('title')}</h1><p class=note>{html.escape(name)}</p>",
        _heading("to_do"),
        _to_do(advice_of(report)),
        _heading("figures"),
        _figures(report),
        _heading("overlap"),
        _picture(overlap_picture(account), "overlap_note"),
        _heading("accuracy"),
        _picture(accuracy_picture(account, control, report.epsg), "accuracy_note", without="no_accuracy"),
    ]
    if report.control:
        parts += [_heading("ground_control"), _control_table(report)]
    parts += [
        _heading("residuals"),
        _picture(residual_picture(account), "residuals_note"),
        _heading("lanes"),
        _lane_table(account),
        _heading("each"),
        _picture(photo_picture(account), "each_note"),
        f"<details><summary>{_word('all_photos')}</summary>{_photo_table(account)}</details>",
    ]
    if report.dropped:
        rows = [[_text(d.name), _text(_without_place(d.reason, d.name))] for d in report.dropped]
        parts += [_heading("left_out"), _table(("photo", "reason"), rows)]
    notes = report.report()["warnings"]
    if notes:
        parts += [_heading("notes"), "".join(f"<p class=note>{html.escape(n)}</p>" for n in notes)]
    return _frame("\n".join(parts), name)


def _without_place(reason: str, name: str) -> str:
    """A reason without the path of the photo that it begins with: the table names it, and the page is read
    on other machines."""
    _, named, rest = reason.partition(f"{name}: ")
    return rest if named else reason


def _frame(body: str, name: str) -> str:
    both = " ".join(word("both", language) for language in LANGUAGES)
    switches = (("both", both), ("en", "English"), ("zh", "中文"))
    inputs = "".join(
        f"<input class=l type=radio name=l id={key}{' checked' if key == 'both' else ''}>"
        for key, _ in switches
    )
    labels = " ".join(f"<label for={key}>{text}</label>" for key, text in switches)
    return (
        f'<!doctype html><html lang=en><head><meta charset="utf-8"><title>{html.escape(name)}</title>'
        f'<meta name=viewport content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"{inputs}<nav>{labels}</nav><main>\n{body}\n</main></body></html>\n"
    )


def _both(texts: Sequence[str]) -> str:
    return "".join(
        f"<span class={language} lang={language}>{html.escape(text)}</span> "
        for language, text in zip(LANGUAGES, texts, strict=True)
    ).rstrip()


def _word(key: str) -> str:
    return _both([word(key, language) for language in LANGUAGES])


def _heading(key: str) -> str:
    return f"<h2>{_word(key)}</h2>"


def _text(value: Any) -> str:
    return f"<td>{html.escape(str(value))}</td>"


def _number(value: float | None, digits: int) -> str:
    known = value is not None and np.isfinite(value)
    return f"<td class=n>{f'{value:,.{digits}f}' if known else '-'}</td>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{_word(key)}</th>" for key in heads)
    return f"<table><tr>{top}</tr>" + "".join(f"<tr>{''.join(r)}</tr>" for r in rows) + "</table>"


def _picture(png: bytes | None, note: str, without: str = "nothing") -> str:
    if png is None:
        return f"<p class=note>{_word(without)}</p>" if without != "nothing" else ""
    data = base64.b64encode(png).decode()
    return f'<p class=note>{_word(note)}</p><img alt="" src="data:image/png;base64,{data}">'


def _to_do(advice: Sequence[Advice]) -> str:
    if not advice:
        return f'<div class="do good">{_word("nothing")}</div>'
    return "".join(
        f'<div class="do{" urgent" if a.urgent else ""}">{_both([sentence(a, k) for k in LANGUAGES])}</div>'
        for a in advice
    )


def _figures(report: MosaicReport) -> str:
    account = report.account
    assert account is not None
    loose = sum(p.placed_by == BY_PRIORS for p in report.photos)
    rows: list[tuple[str, str]] = [("photos", f"{len(report.photos)} / {report.photos_given}")]
    rows += [("by_priors", str(loose))] if loose else []
    rows += [
        ("gsd", f"{100 * report.gsd_m:.2f} cm"),
        ("area", f"{report.area_m2 / 1e4:.2f} ha"),
        ("reprojection", f"{report.reprojection_rms_px:.2f} px"),
    ]
    if report.seams.rms_px is not None and report.seams.clear_share is not None:
        rows.append(("seams", f"{report.seams.rms_px:.2f} px ({100 * report.seams.clear_share:.0f} %)"))
    if account.expected_m is not None:
        gsd = account.expected_m / report.gsd_m
        rows.append(("expected", f"{account.expected_m:.3f} m ({gsd:.1f} px)"))
    if account.shape_m is not None and account.common_m:
        gsd = account.shape_m / report.gsd_m
        rows.append(("shape", f"{account.shape_m:.3f} m ({gsd:.1f} px)"))
    for key, check in (("check", True), ("control", False)):
        rms = report.control.rms(check=check) if report.control else None
        if rms:
            gsd = rms.plan_m / report.gsd_m
            rows.append((key, f"{rms.plan_m:.3f} m ({gsd:.2f} px) / {rms.height_m:.3f} m, n = {rms.points}"))
    rows += [
        ("moved", f"{report.position_rms_m:.2f} m"),
        ("lag", f"{round(1000 * report.lag_s)} ms"),
        ("crs", f"EPSG:{report.epsg}"),
        ("time", f"{report.seconds['total']:.0f} s"),
    ]
    return "<table>" + "".join(f"<tr><td>{_word(k)}</td>{_text(v)}</tr>" for k, v in rows) + "</table>"


def _control_table(report: MosaicReport) -> str:
    rows = []
    for p in report.control.points if report.control else ():
        east, north, up = p.off_m or (None, None, None)
        rows.append(
            [
                _text(p.name),
                f"<td>{_word('role_check' if p.check else 'role_control')}</td>",
                *(_number(v, 3) for v in (east, north, up)),
                _number(p.marks, 0),
                _number(p.rms_px, 2),
                f"<td>{_word('yes' if p.believed else 'no')}</td>",
            ]
        )
    return _table(("point", "role", "east", "north", "up", "marks", "rms_px", "used"), rows)


def _shape_m(account: Account, shares: Sequence[Share]) -> float | None:
    error = _median([s.error_m for s in shares])
    return None if error is None else float(account.shape(error))


def _lane_table(account: Account) -> str:
    rows = [
        [
            _number(number, 0),
            _text(f"{photos[0].name} - {photos[-1].name}"),
            _number(len(photos), 0),
            _number(_median([s.tie_points for s in photos]), 0),
            _number(_median([s.residual_px for s in photos]), 2),
            _number(_median([s.blur_px for s in photos]), 1),
            _number(_shape_m(account, photos), 3),
        ]
        for number, photos in lanes(account.shares)
    ]
    return _table(("lane", "first_last", "count", "ties", "residual", "blur", "error"), rows)


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.median(known)) if known else None


def _photo_table(account: Account) -> str:
    rows = [
        [
            _text(s.name),
            _text(s.lane or "-"),
            f"<td>{_word('tied' if s.tied else 'tags')}</td>",
            _number(s.tie_points, 0),
            _number(s.residual_px, 2),
            _number(s.moved_m, 2),
            _number(s.painted_m2, 0),
            _number(s.blur_px, 1),
            _number(_shape_m(account, [s]), 3),
        ]
        for s in account.shares
    ]
    heads = ("photo", "lane", "placed_by", "ties", "residual", "moved_m", "painted", "blur", "error")
    return _table(heads, rows)
