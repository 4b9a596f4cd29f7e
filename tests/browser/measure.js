// What a page of a backtest looks like at this moment, in CSS pixels.
() => {
  const shown = (element) => element.checkVisibility();
  const outside = (inner, outer) =>
    Math.max(outer.left - inner.left, inner.right - outer.right,
             outer.top - inner.top, inner.bottom - outer.bottom);
  const plots = [...document.querySelectorAll("svg")].map((svg) => {
    const frame = svg.getBoundingClientRect();
    const marks = [...svg.querySelectorAll("path, rect, circle")];
    const labels = [...svg.querySelectorAll("text")];
    const boxes = labels.map((label) => label.getBoundingClientRect());
    const touching = [];
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
      if (a.left < b.right - 1 && b.left < a.right - 1 &&
          a.top < b.bottom - 4 && b.top < a.bottom - 4)
        touching.push(`${labels[i].textContent} | ${labels[i + 1 + j].textContent}`);
    }));
    return {
      name: svg.getAttribute("aria-labelledby").split(" ")[0].replace(/-t$/, ""),
      shown: shown(svg),
      width: frame.width,
      height: frame.height,
      marks: marks.length,
      // a straight line has no area
      drawn: marks.filter((mark) => {
        const box = mark.getBoundingClientRect();
        return box.width + box.height > 0;
      }).length,
      markOutside: Math.max(0, ...marks.map((m) => outside(m.getBoundingClientRect(), frame))),
      labels: labels.length,
      labelOutside: Math.max(0, ...boxes.map((box) => outside(box, frame))),
      labelSize: Math.min(99, ...labels.map((label) =>
        parseFloat(getComputedStyle(label).fontSize) * frame.width / svg.viewBox.baseVal.width)),
      touching,
    };
  });
  const sizes = [...document.querySelectorAll("main *")]
    .filter((e) => !e.closest("svg") && shown(e) && e.tagName !== "CAPTION" &&
            [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((e) => parseFloat(getComputedStyle(e).fontSize));
  return {
    plots,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    smallest: Math.min(99, ...sizes),
    cut: [...document.querySelectorAll(".scroll")]
      .filter((e) => shown(e) && e.scrollWidth > e.clientWidth + 1)
      .map((e) => `${e.getAttribute("aria-label")}: ${e.scrollWidth} > ${e.clientWidth}`),
    sections: [...document.querySelectorAll("section")].filter(shown).map((e) => e.id),
    ink: getComputedStyle(document.body).color,
    paper: getComputedStyle(document.body).backgroundColor,
  };
}
