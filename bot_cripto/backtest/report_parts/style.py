"""How the page looks: colours that colour-blind people tell apart, light and dark."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#1d2228;--soft:#5b646e;
--line:#e3e4e2;--one:#0067a5;--two:#c4560a;--three:#6b7480;--warn:#8f2d00;--warnbg:#fff0e6}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2024;--ink:#e6e8ea;--soft:#a0a9b2;
--line:#31373d;--one:#5cb3ec;--two:#f0a04b;--three:#98a2ad;--warn:#ffc08f;--warnbg:#3a2414}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1040px;margin:0 auto;padding:18px 10px 48px}
h1{font-size:1.9rem;line-height:1.15;margin:0;overflow-wrap:anywhere}
h2{font-size:1.12rem;margin:0 0 2px}
h3{font-size:.95rem;margin:14px 0 4px}
p{margin:0}
.facts{color:var(--soft);margin:6px 0 0;font-size:.94rem;overflow-wrap:anywhere}
.banner{border:2px solid var(--warn);background:var(--warnbg);color:var(--warn);border-radius:8px;
padding:10px 14px;margin:0 0 16px;overflow-wrap:anywhere}
.banner strong{display:block;font-size:1.3rem;letter-spacing:.06em}
.banner a{color:inherit}
.conclusion{font-size:1.15rem;margin:16px 0 0;font-weight:600;overflow-wrap:anywhere}
.verdicts,.tiles{display:grid;gap:12px;margin:16px 0 0;padding:0;
grid-template-columns:repeat(auto-fit,minmax(min(100%,225px),1fr))}
.verdicts>div,.panel,.tiles>div{background:var(--card);border:1px solid var(--line);
border-radius:8px;min-width:0}
.verdicts>div{padding:12px 16px;border-top:3px solid var(--one)}
.verdicts dt{font-size:.85rem;font-weight:600;color:var(--soft);display:flex;flex-wrap:wrap;
gap:2px 8px;justify-content:space-between}
.verdicts dd{margin:2px 0 0;overflow-wrap:anywhere}
.verdicts .not-shown{border-top-color:var(--two)}
.chip{border:1px solid var(--one);color:var(--one);border-radius:9px;padding:0 8px;
font-size:.78rem}
.not-shown .chip{border-color:var(--two);color:var(--two)}
.checks{margin:12px 0 0;font-size:.94rem;color:var(--one)}
.checks.warned{color:var(--warn);font-weight:700}
.checks a,.contents a{color:inherit}
.contents{display:flex;gap:4px 14px;margin:16px 0 0;font-size:.88rem;color:var(--one);
white-space:nowrap;overflow-x:auto;padding-bottom:6px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(138px,1fr))}
.tiles>div{padding:10px 14px}
.tiles dt,.tiles dd.under{color:var(--soft);font-size:.82rem;display:block}
.tiles dd{margin:0;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
.tiles dd.under{font-weight:400;line-height:1.35}
.tiles dd.no{font-size:1rem;font-weight:400;color:var(--soft)}
.sections{display:grid;gap:16px;margin-top:16px;grid-template-columns:minmax(0,1fr)}
.panel{padding:14px 12px}
.note,.figure{color:var(--soft);font-size:.88rem;max-width:75ch;margin-bottom:8px}
.figure{color:var(--ink)}
.scroll{overflow-x:auto;position:relative}
table{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:5px 4px;border-bottom:1px solid var(--line);text-align:right;font-weight:400;
vertical-align:top}
thead th{color:var(--soft);font-size:.8rem;vertical-align:bottom}
.w{text-align:left}
th:first-child{padding-left:0}
td:last-child,thead th:last-child{padding-right:0}
tbody tr:last-child>*{border-bottom:0}
td small{display:block;color:var(--soft);font-size:.78rem}
.groups thead{position:absolute;clip-path:inset(50%)}
.metrics small{display:block;color:var(--soft);font-size:.78rem;line-height:1.3;max-width:30ch}
.metrics td{white-space:nowrap}
.line{display:block;white-space:nowrap}
.no,.quiet{color:var(--soft)}
.gain{color:var(--one)}.loss{color:var(--two)}
.tint{display:inline-block;padding:0 6px;border-radius:3px;color:var(--ink)}
.tint.gain{background:color-mix(in srgb,var(--one) var(--s),transparent)}
.tint.loss{background:color-mix(in srgb,var(--two) var(--s),transparent)}
.share{display:inline-block;min-width:88px;padding:0 0 0 6px;
background:linear-gradient(var(--line),var(--line)) 0 0/var(--s) 100% no-repeat}
.groups{columns:270px 3;column-gap:32px}
.groups>div{break-inside:avoid;padding-bottom:8px}
.groups h3{margin-top:4px}
.pair{display:grid;gap:0 24px;grid-template-columns:minmax(0,1fr);
margin-bottom:10px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:4px 0 6px;
font-size:.88rem}
.legend li{display:flex;align-items:center;gap:7px}
.key{flex:none;width:20px;height:0;border-top:3px solid var(--three)}
.key.one{border-color:var(--one)}.key.two{border-color:var(--two);border-top-width:2px}
.key.base{border-top:2px dashed var(--three)}
.key.one-dot,.key.exit-gain,.key.exit-loss{width:10px;height:10px;border:0;border-radius:50%;
background:var(--one)}
.key.exit-loss{background:var(--card);border:2.5px solid var(--two)}
.key.span{width:6px;height:15px;border:0;background:var(--three);opacity:.45}
.key.came,.key.came-out{width:8px;height:8px;border:0;border-radius:50%;background:var(--one)}
.key.came-out{background:var(--two)}
.key.rug{width:14px;height:9px;border:0;background:repeating-linear-gradient(
90deg,var(--one) 0 1px,transparent 1px 3px,var(--two) 3px 4px,transparent 4px 6px)}
.key.candle{width:7px;height:14px;border:1px solid var(--three);background:linear-gradient(
90deg,var(--card) 50%,var(--three) 50%)}
.key.entry-long,.key.entry-short{width:0;border:6px solid transparent;border-top:0;
border-bottom:10px solid var(--three)}
.key.entry-short{border:6px solid transparent;border-bottom:0;border-top:10px solid var(--three)}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.plot:not(.wide):not(.narrow){max-width:430px}
svg text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg path{fill:none}
svg .grid{stroke:var(--line)}
svg .base{stroke:var(--three);stroke-dasharray:4 4}
svg path.one,svg path.two{stroke-width:2;stroke-linejoin:round;stroke:var(--one)}
svg path.two{stroke:var(--two);stroke-width:1.4}
svg path.faint{stroke-width:1.4;opacity:.55}
svg .one-area{fill:var(--one);opacity:.16}
svg circle{fill:var(--three);stroke:var(--card);stroke-width:1}
svg circle.one{fill:var(--one)}svg circle.two{fill:var(--two)}
svg .whisker{stroke:var(--three);stroke-width:2}
svg .whisker.one{stroke:var(--one);stroke-width:3}svg .whisker.three{stroke-width:3;opacity:.6}
svg .stem{stroke:var(--one);opacity:.45;stroke-width:2}
svg .count{fill:var(--three);opacity:.6}
svg rect.gain{fill:var(--one)}svg rect.loss{fill:var(--two)}
svg .span{stroke:var(--three);opacity:.4;stroke-width:1.6}
svg .came{stroke:var(--one);stroke-width:4;stroke-linecap:round}svg .out{stroke:var(--two)}
svg .rug{stroke:var(--one);opacity:.75}svg .rug.loss{stroke:var(--two)}
svg .wick,svg .rise,svg .fall{stroke:var(--three);stroke-width:.8}
svg .rise{fill:var(--card)}svg .fall{fill:var(--three)}
svg .entry{stroke:var(--card);stroke-width:1}
svg .entry.gain{fill:var(--one)}svg .entry.loss{fill:var(--two)}
svg .exit.gain{fill:var(--one)}svg .exit.loss{fill:var(--card);stroke:var(--two);stroke-width:2}
svg .way{stroke-width:2;stroke:var(--one)}svg .way.loss{stroke:var(--two);stroke-dasharray:5 3}
svg.narrow{max-width:520px}
.wide{display:none}
summary{cursor:pointer;font-size:.9rem;margin-top:8px;color:var(--one)}
#alarms ul{list-style:none;margin:8px 0 0;padding:0}
#alarms li{display:flex;gap:12px;padding:8px 0;border-top:1px solid var(--line)}
#alarms .sign{font-size:1.2rem;line-height:1.3;flex:none;width:1em;color:var(--one)}
#alarms .failed .sign,#alarms .failed .state{color:var(--warn);font-weight:700}
#alarms .absent .sign{color:var(--soft)}
#alarms .state{color:var(--soft);font-size:.88rem}
#alarms p{font-size:.9rem;overflow-wrap:anywhere}
#alarms .help{color:var(--soft)}
#alarms div{min-width:0}
code{font-size:.92em;overflow-wrap:anywhere}
@media(max-width:759px){.tight{font-size:.8rem}.tight th,.tight td{padding:5px 2px}
.tight .share{min-width:56px;padding:0}#folds td small{display:none}}
@media(min-width:760px){.contents{flex-wrap:wrap}.wide{display:block}
.narrow{display:none}main{padding:28px 22px 56px}
.pair{grid-template-columns:repeat(2,minmax(0,1fr))}
.panel{padding:20px}table{font-size:.9rem}th,td{padding:5px 8px}}
@media(min-width:940px){.sections{grid-template-columns:repeat(2,minmax(0,1fr))}
.full{grid-column:span 2}}
@media print{body{background:#fff}.panel{break-inside:avoid}}
"""
