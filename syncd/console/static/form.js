// A guided form shows only the fields that are of use with what was chosen; all of them without this.
const entries = [...document.querySelectorAll("[data-shown-for]")];

function show() {
  for (const entry of entries) {
    const wanted = Object.entries(JSON.parse(entry.dataset.shownFor));
    entry.hidden = !wanted.every(([name, values]) => {
      const field = document.getElementsByName(name)[0];
      return !field || values.includes(field.type === "checkbox" ? String(field.checked) : field.value);
    });
    for (const field of entry.querySelectorAll("input, select, textarea")) field.disabled = entry.hidden;
  }
}

document.addEventListener("change", show);
show();
document.getElementById("problems")?.focus();
