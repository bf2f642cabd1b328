// The embedding map shows the image under the pointer, and the arrow keys move from image to image. Without this script the
// map is still shown, and each dot has its name as a tooltip.
(() => {
  const plot = document.getElementById("map-plot");
  if (!plot) return;
  const dots = [...plot.querySelectorAll("use[data-id]")];
  const at = dots.map((dot) => [parseFloat(dot.getAttribute("x")), parseFloat(dot.getAttribute("y"))]);
  const ring = document.getElementById("map-ring");
  const picture = document.getElementById("map-picture");
  const shown = picture.querySelector("use");
  const name = document.getElementById("map-name");
  const more = document.getElementById("map-more");
  const marks = document.getElementById("map-marks");
  const key = document.getElementById("map-key");
  let current = -1;
  // The page shows the name beside the map, and a tooltip would cover the dots.
  for (const dot of dots) dot.querySelector("title").remove();

  const show = (k) => {
    if (k < 0 || k === current) return;
    current = k;
    const data = dots[k].dataset;
    ring.setAttribute("cx", `${at[k][0]}%`);
    ring.setAttribute("cy", `${at[k][1]}%`);
    ring.removeAttribute("hidden");
    const image = /^p\d+$/.test(data.ref) && document.getElementById(data.ref);
    picture.toggleAttribute("hidden", !image);
    if (image) {
      picture.setAttribute("viewBox", `0 0 ${image.getAttribute("width")} ${image.getAttribute("height")}`);
      shown.setAttribute("href", `#${data.ref}`);
    }
    name.textContent = data.class || "no class";
    const mark = marks.value === "" ? "" : data.has[Number(marks.value)];
    const said = { 1: "has it", 0: "breaks the rule", "-": "another class" }[mark];
    more.textContent = said ? `${data.id} · ${said}` : data.id;
  };

  const nearest = (x, y, reach) => {
    const box = plot.getBoundingClientRect();
    let best = -1;
    let least = reach * reach;
    at.forEach(([px, py], k) => {
      const d = (box.left + (px / 100) * box.width - x) ** 2 + (box.top + (py / 100) * box.height - y) ** 2;
      if (d < least) [best, least] = [k, d];
    });
    return best;
  };

  const toward = (dx, dy) => {
    let best = -1;
    let least = Infinity;
    at.forEach(([x, y], k) => {
      const [ax, ay] = [x - at[current][0], y - at[current][1]];
      const ahead = ax * dx + ay * dy;
      const aside = Math.abs(ax * dy) + Math.abs(ay * dx);
      // Prefer the dot straight ahead. Among dots at the same position, take the next one in the page.
      const cost = ahead + 2 * aside;
      if (k !== current && (ahead > 0 || (ahead === 0 && aside === 0 && k > current)) && cost < least) {
        [best, least] = [k, cost];
      }
    });
    return best;
  };

  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  plot.setAttribute("tabindex", "0");
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-roledescription", "map of images");
  plot.addEventListener("focus", () => show(Math.max(current, 0)));
  plot.addEventListener("pointermove", (event) => show(nearest(event.clientX, event.clientY, 40)));
  plot.addEventListener("pointerdown", (event) => show(nearest(event.clientX, event.clientY, 60)));
  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ways) show(toward(...ways[event.key]));
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(dots.length - 1);
    else return;
    event.preventDefault();
  });

  const paint = () => {
    const k = marks.value === "" ? -1 : Number(marks.value);
    plot.classList.toggle("marked", k >= 0);
    key.toggleAttribute("hidden", k < 0);
    for (const dot of dots) {
      const has = k < 0 ? "" : dot.dataset.has[k];
      dot.setAttribute("href", has === "1" ? "#shape-0" : has === "0" ? "#shape-x" : `#shape-${dot.dataset.kind}`);
      dot.classList.toggle("has", has === "1");
      dot.classList.toggle("breaks", has === "0");
    }
    const before = current;
    current = -1;
    show(before);
  };
  marks.addEventListener("change", paint);
  // Show an image before anyone points at one: the first that breaks the worst finding's rule.
  show(Math.max(0, dots.findIndex((dot) => dot.dataset.has.startsWith("0"))));
  for (const hidden of document.querySelectorAll("[data-needs-script]")) hidden.removeAttribute("hidden");
})();
