// SPDX-License-Identifier: GPL-2.0-only
// Keeps the first part of the status page as it is. Without it the page is as of when it was
// loaded. Texts are only ever set as text.
"use strict";

const LINES = 32;
let wasOver = null;

function set(id, text) {
	const element = document.getElementById(id);
	if (element)
		element.textContent = text === undefined || text === null ? "" : String(text);
}

function cell(row, text, number) {
	const td = row.insertCell();
	td.textContent = text;
	if (number)
		td.className = "n";
}

const mib = bytes => bytes ? (bytes / 1048576).toFixed(1) + " MiB" : "";
const ms = value => value ? value + " ms" : "";

function showWorkloads(move) {
	const body = document.getElementById("workloads");
	const list = move && Array.isArray(move.workloads) ? move.workloads : [];
	body.replaceChildren();
	for (const w of list) {
		const row = body.insertRow();
		cell(row, w.name);
		cell(row, w.state);
		cell(row, w.rounds, true);
		cell(row, mib(w.bytes), true);
		cell(row, w.dirtyBytesPerSec ? mib(w.dirtyBytesPerSec) + "/s" : "", true);
		cell(row, ms(w.predictedMs), true);
		cell(row, ms(w.frozenMs), true);
	}
}

function showLog(lines) {
	const log = document.getElementById("log");
	const old = log.textContent.split("\n").filter(line => line);
	for (const line of lines || [])
		old.push(new Date(line.ms).toISOString().slice(11, 19) + " " + line.text);
	log.textContent = old.slice(-LINES).join("\n");
}

function show(state, first) {
	const upgrade = state.upgrade;
	for (const name of ["release", "role", "phase", "peerState", "peerRelease", "onlineCpus", "lentCpus",
			    "message"])
		set(name, state[name]);
	set("connected", state.connected ? "yes" : "no");
	set("upgrade", upgrade ? upgrade.state + (upgrade.held ? ", held" : "") : "none");
	set("step", state.move && !state.over ? state.move.step : "");
	showWorkloads(state.move);
	if (first)
		document.getElementById("log").textContent = "";
	showLog(state.log);
	// there may be one more in the history
	if (wasOver === false && state.over)
		location.reload();
	wasOver = state.over;
}

const events = new EventSource("/events");
let first = true;

events.onopen = () => {
	first = true;
	set("live", "live");
	document.getElementById("live").className = "live";
};
events.onerror = () => {
	set("live", "the agent doesn't answer; this is what was last");
	document.getElementById("live").className = "stale";
};
events.onmessage = event => {
	show(JSON.parse(event.data), first);
	first = false;
};
