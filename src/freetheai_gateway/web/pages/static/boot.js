// Runs before the first paint: what scripts are about to change is laid out as it will be, so that nothing jumps.
document.documentElement.classList.add("js");
