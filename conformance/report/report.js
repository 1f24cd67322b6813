"use strict";
(() => {
  const purposes = [...document.querySelectorAll("details.purpose")];
  const tools = document.getElementById("tools");
  const shown = document.getElementById("shown");
  const count = () => {
    const n = purposes.filter((item) => item.offsetParent !== null).length;
    shown.textContent = `${n} of ${purposes.length} shown`;
  };
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    const item = target && target.closest("details.purpose");
    if (!item) return;
    document.getElementById("v-all").checked = true;
    count();
    item.open = true;
    item.scrollIntoView();
  };
  if (tools) {
    tools.hidden = false;
    for (const radio of document.querySelectorAll("input[name=verdict]")) {
      radio.addEventListener("change", count);
    }
    for (const button of tools.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        for (const item of purposes) {
          if (item.offsetParent !== null) item.open = button.value === "open";
        }
      });
    }
    count();
  }
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    for (const item of document.querySelectorAll("details.purpose:not(.PASS)")) item.open = true;
  });
  if (location.hash) reveal();
})();
