// SPDX-License-Identifier: GPL-2.0-only
/* The interface as data: what introspection shows and calls are checked against. */
#include "api/api.h"

#define IN(name, type)		SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_##type, 0)
#define IN_OPT(name, type)	SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_##type, SD_VARLINK_NULLABLE)
#define OUT(name, type)		SD_VARLINK_DEFINE_OUTPUT(name, SD_VARLINK_##type, 0)
#define OUT_OPT(name, type)	SD_VARLINK_DEFINE_OUTPUT(name, SD_VARLINK_##type, SD_VARLINK_NULLABLE)

static SD_VARLINK_DEFINE_METHOD_FULL(
	Status, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("With more: the call ends when nothing is under way any more, at "
				 "once if nothing is; otherwise when the client goes"),
	IN_OPT(untilOver, BOOL),
	SD_VARLINK_FIELD_COMMENT("first: booted by firmware; spawned: by another kernel"),
	OUT(role, STRING),
	OUT(release, STRING),
	OUT(agentVersion, STRING),
	SD_VARLINK_FIELD_COMMENT("idle, reserve, spawn, sync, soak or retire; restore: after a kexec"),
	OUT(phase, STRING),
	SD_VARLINK_FIELD_COMMENT("How the last upgrade or command ended"),
	OUT(message, STRING),
	SD_VARLINK_FIELD_COMMENT("This kernel's number in the chain since the machine was reset"),
	OUT(instance, INT),
	OUT(epoch, INT),
	OUT_OPT(upgradeId, STRING),
	OUT(onlineCpus, INT),
	OUT(lentCpus, INT),
	OUT(memoryBytes, INT),
	OUT(regionBytes, INT),
	OUT(functionsHeld, INT),
	OUT(functionsGranted, INT),
	SD_VARLINK_FIELD_COMMENT("none, running, stopped, panicked or retired"),
	OUT(peerState, STRING),
	OUT_OPT(peerRelease, STRING),
	SD_VARLINK_FIELD_COMMENT("Whether the two agents talk to each other"),
	OUT(connected, BOOL),
	SD_VARLINK_FIELD_COMMENT("What's under way: {id, state, image, by, beganMs, held, message, "
				 "soakLeftMs?, step?, toldMs?}; state is check, spawn, move, soak, "
				 "retire, rollback or reclaim. toldMs: the other kernel's agent runs "
				 "it, and has told so much then, ms since 1970"),
	OUT_OPT(upgrade, OBJECT),
	SD_VARLINK_FIELD_COMMENT("Only with more. How far a move is, or how the last one ended: "
				 "{state, phase, step, workloads}; of each workload {name, state, "
				 "rounds, bytes, dirtyBytesPerSec, predictedMs, frozenMs}"),
	OUT_OPT(move, OBJECT),
	SD_VARLINK_FIELD_COMMENT("Only with more. Lines since the message before: {ms, text}"),
	SD_VARLINK_DEFINE_OUTPUT(log, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY | SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("Only with more. Nothing is under way"),
	OUT_OPT(over, BOOL));

static SD_VARLINK_DEFINE_METHOD_FULL(
	Start, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("As of Spawn"),
	IN(image, STRING),
	IN_OPT(cpus, STRING),
	IN_OPT(memoryBytes, INT),
	IN_OPT(blocks, STRING),
	IN_OPT(commandLine, STRING),
	IN_OPT(timeoutSec, INT),
	IN_OPT(force, BOOL),
	SD_VARLINK_FIELD_COMMENT("How long the old kernel stands by after the move; by default as "
				 "configured"),
	IN_OPT(soakSec, INT),
	SD_VARLINK_FIELD_COMMENT("Workloads may stand still for no longer than this, even if the "
				 "configuration allows more: neither as predicted, nor as it is"),
	IN_OPT(maxFrozenMs, INT),
	SD_VARLINK_FIELD_COMMENT("Don't restore a copy of each workload there first"),
	IN_OPT(noRehearsal, BOOL),
	SD_VARLINK_FIELD_COMMENT("It stands by until Commit or Abort"),
	IN_OPT(hold, BOOL),
	SD_VARLINK_FIELD_COMMENT("A new kernel that failed is left running, to be looked at"),
	IN_OPT(keepFailed, BOOL),
	SD_VARLINK_FIELD_COMMENT("Whatever the time windows of the configuration say"),
	IN_OPT(now, BOOL),
	SD_VARLINK_FIELD_COMMENT("\"spawn\", the default, or \"kexec\": without a second kernel; then "
				 "workloads stand still for a whole boot"),
	IN_OPT(method, STRING),
	OUT_OPT(message, STRING),
	OUT_OPT(helloMs, INT));

static SD_VARLINK_DEFINE_METHOD(
	Plan,
	SD_VARLINK_FIELD_COMMENT("As of Start"),
	IN(image, STRING),
	IN_OPT(cpus, STRING),
	IN_OPT(memoryBytes, INT),
	IN_OPT(blocks, STRING),
	IN_OPT(commandLine, STRING),
	IN_OPT(timeoutSec, INT),
	IN_OPT(force, BOOL),
	IN_OPT(soakSec, INT),
	IN_OPT(maxFrozenMs, INT),
	IN_OPT(noRehearsal, BOOL),
	IN_OPT(hold, BOOL),
	IN_OPT(keepFailed, BOOL),
	IN_OPT(now, BOOL),
	IN_OPT(method, STRING),
	OUT(image, STRING),
	OUT(oldRelease, STRING),
	OUT(newRelease, STRING),
	SD_VARLINK_FIELD_COMMENT("Those to be given; of the memory, if it can be had"),
	OUT(cpus, STRING),
	OUT(memoryBytes, INT),
	OUT(soakSec, INT),
	SD_VARLINK_DEFINE_OUTPUT(workloads, SD_VARLINK_STRING, SD_VARLINK_ARRAY),
	OUT(maxFrozenMs, INT),
	SD_VARLINK_FIELD_COMMENT("It would be refused now: when it may begin"),
	OUT_OPT(outsideWindow, STRING),
	SD_VARLINK_FIELD_COMMENT("By kexec: for how long workloads would stand still; nothing is given "
				 "then"),
	OUT_OPT(blackoutMs, INT));

static SD_VARLINK_DEFINE_METHOD(Commit, OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(Abort, OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(
	History,
	SD_VARLINK_FIELD_COMMENT("The newest first: {schema, id, result, by, image, old_release, "
				 "new_release, began_ms, ended_ms, phases} each"),
	SD_VARLINK_DEFINE_OUTPUT(upgrades, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(
	Show,
	SD_VARLINK_FIELD_COMMENT("Of an upgrade, or the beginning of it"),
	IN(id, STRING),
	SD_VARLINK_FIELD_COMMENT("As in History, and move: /usr/share/doc/kho-agent/report.md "
				 "has the schema"),
	OUT(upgrade, OBJECT));

static SD_VARLINK_DEFINE_METHOD_FULL(
	Spawn, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("Folder of a target image (khoctl image build)"),
	IN(image, STRING),
	SD_VARLINK_FIELD_COMMENT("CPU list, or by default half of those online"),
	IN_OPT(cpus, STRING),
	SD_VARLINK_FIELD_COMMENT("Bytes of memory to give; by default a quarter of the machine's"),
	IN_OPT(memoryBytes, INT),
	SD_VARLINK_FIELD_COMMENT("Memory blocks to give, by number; instead of memoryBytes"),
	IN_OPT(blocks, STRING),
	SD_VARLINK_FIELD_COMMENT("Appended to the command line of the image"),
	IN_OPT(commandLine, STRING),
	SD_VARLINK_FIELD_COMMENT("Until the new agent says hello; 120 by default"),
	IN_OPT(timeoutSec, INT),
	SD_VARLINK_FIELD_COMMENT("Though the image was refused before; not against its signature"),
	IN_OPT(force, BOOL),
	OUT_OPT(message, STRING),
	OUT_OPT(helloMs, INT));

static SD_VARLINK_DEFINE_METHOD(Reclaim, OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(
	Move, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("Whether a copy of each workload is restored there first; true by "
				 "default"),
	IN_OPT(rehearse, BOOL),
	OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(
	Rehearse, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("Its name in the configuration"),
	IN(workload, STRING),
	OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(Rollback, SD_VARLINK_SUPPORTS_MORE,
				     OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(Failover, SD_VARLINK_SUPPORTS_MORE,
				     OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(
	Check,
	SD_VARLINK_FIELD_COMMENT("Folder of the target image that counts; by default all in the "
				 "usual folder are looked at, and none of them is in the way"),
	IN_OPT(image, STRING),
	SD_VARLINK_FIELD_COMMENT("What would be given, as of Spawn"),
	IN_OPT(cpus, STRING),
	IN_OPT(memoryBytes, INT),
	IN_OPT(blocks, STRING),
	SD_VARLINK_FIELD_COMMENT("Whether a new kernel was there to look at, too"),
	OUT(peer, BOOL),
	SD_VARLINK_FIELD_COMMENT("Whether a move, or an upgrade, would be refused"),
	OUT(blocked, BOOL),
	SD_VARLINK_FIELD_COMMENT("What's wrong with this machine: {kind, severity, pid?, where, "
				 "cause, remedy} each; severity is blocker or warning"),
	SD_VARLINK_DEFINE_OUTPUT(machine, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY),
	SD_VARLINK_FIELD_COMMENT("What would be lent, unless a new kernel is there: {cpus, "
				 "memoryBytes, mostMemoryBytes, removableBytes, movableBytes, "
				 "availableBytes, keptBytes}"),
	OUT_OPT(lend, OBJECT),
	SD_VARLINK_FIELD_COMMENT("What the kernels lack, likewise"),
	SD_VARLINK_DEFINE_OUTPUT(kernels, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY),
	SD_VARLINK_FIELD_COMMENT("What's wrong with target images, likewise; they block no move"),
	SD_VARLINK_DEFINE_OUTPUT(images, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY),
	SD_VARLINK_FIELD_COMMENT("{name, unit, result, findings, more} each; result is moves, "
				 "restarts or blocked"),
	SD_VARLINK_DEFINE_OUTPUT(workloads, SD_VARLINK_OBJECT, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(
	Report,
	SD_VARLINK_FIELD_COMMENT("Of the last move; /usr/share/doc/kho-agent/report.md has the "
				 "schema"),
	OUT(report, OBJECT));

static SD_VARLINK_DEFINE_METHOD(
	Metrics,
	SD_VARLINK_FIELD_COMMENT("OpenMetrics 1.0 instead of Prometheus text 0.0.4"),
	IN_OPT(openMetrics, BOOL),
	SD_VARLINK_FIELD_COMMENT("Of the text, for HTTP"),
	OUT(contentType, STRING),
	OUT(text, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(Retire, SD_VARLINK_SUPPORTS_MORE, OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(
	Grant,
	SD_VARLINK_FIELD_COMMENT("PCI address as in 0000:00:04.0"),
	IN(function, STRING), OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(Revoke, IN(function, STRING), OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD_FULL(
	Console, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_FIELD_COMMENT("Go on as more comes"),
	IN_OPT(follow, BOOL),
	OUT_OPT(text, STRING));

static SD_VARLINK_DEFINE_METHOD(Input, IN(text, STRING), OUT_OPT(message, STRING));

static SD_VARLINK_DEFINE_METHOD(
	Dmesg,
	SD_VARLINK_FIELD_COMMENT("The peer kernel's log, read out of its memory"),
	OUT(text, STRING));

static SD_VARLINK_DEFINE_METHOD(
	Bench,
	SD_VARLINK_FIELD_COMMENT("Of a control message and its answer, the median"),
	OUT(roundTripNs, INT),
	OUT(bulkBytesPerSec, INT),
	SD_VARLINK_FIELD_COMMENT("With a CRC of the data, as all other bulk data goes"),
	OUT(bulkCrcBytesPerSec, INT),
	SD_VARLINK_FIELD_COMMENT("Within this agent's memory"),
	OUT(memcpyBytesPerSec, INT));

static SD_VARLINK_DEFINE_ERROR(
	Failed,
	SD_VARLINK_FIELD_COMMENT("Number of the errno"),
	SD_VARLINK_DEFINE_FIELD(code, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Cause and remedy"),
	SD_VARLINK_DEFINE_FIELD(message, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("An upgrade left check, or a move left inspect, before it failed; "
				 "otherwise it was refused, or the agent is an older one"),
	SD_VARLINK_DEFINE_FIELD(tried, SD_VARLINK_BOOL, SD_VARLINK_NULLABLE));

static SD_VARLINK_DEFINE_INTERFACE(
	upgrade, KHO_API_INTERFACE,
	SD_VARLINK_INTERFACE_COMMENT("Live kernel upgrades"),
	SD_VARLINK_SYMBOL_COMMENT("What this kernel is and what is under way; with more: each "
				  "change of it, as it happens"),
	&vl_method_Status,
	SD_VARLINK_SYMBOL_COMMENT("What Start would do, without doing it"),
	&vl_method_Plan,
	SD_VARLINK_SYMBOL_COMMENT("A whole upgrade: check, spawn, move, soak, retire"),
	&vl_method_Start,
	SD_VARLINK_SYMBOL_COMMENT("Ends the soak: the old kernel retires"),
	&vl_method_Commit,
	SD_VARLINK_SYMBOL_COMMENT("Undoes an upgrade, from whatever state before retirement"),
	&vl_method_Abort,
	SD_VARLINK_SYMBOL_COMMENT("Upgrades that are over"),
	&vl_method_History,
	SD_VARLINK_SYMBOL_COMMENT("One of them, with all that's known"),
	&vl_method_Show,
	SD_VARLINK_SYMBOL_COMMENT("Boots another kernel beside this one"),
	&vl_method_Spawn,
	SD_VARLINK_SYMBOL_COMMENT("Takes everything back from a spawned kernel"),
	&vl_method_Reclaim,
	SD_VARLINK_SYMBOL_COMMENT("Moves all configured workloads to the spawned kernel"),
	&vl_method_Move,
	SD_VARLINK_SYMBOL_COMMENT("Restores a copy of one workload there, and drops it; nothing moves"),
	&vl_method_Rehearse,
	SD_VARLINK_SYMBOL_COMMENT("Moves them back, with the state that they have now"),
	&vl_method_Rollback,
	SD_VARLINK_SYMBOL_COMMENT("Gives the new kernel up: starts them anew in this one"),
	&vl_method_Failover,
	SD_VARLINK_SYMBOL_COMMENT("What would keep the workloads from moving; changes nothing"),
	&vl_method_Check,
	SD_VARLINK_SYMBOL_COMMENT("What the last move did"),
	&vl_method_Report,
	SD_VARLINK_SYMBOL_COMMENT("What this agent knows as numbers, for Prometheus"),
	&vl_method_Metrics,
	SD_VARLINK_SYMBOL_COMMENT("Gives the machine to the spawned kernel"),
	&vl_method_Retire,
	SD_VARLINK_SYMBOL_COMMENT("Gives a PCI function to the spawned kernel"),
	&vl_method_Grant,
	SD_VARLINK_SYMBOL_COMMENT("Takes a PCI function back"),
	&vl_method_Revoke,
	SD_VARLINK_SYMBOL_COMMENT("What the spawned kernel prints"),
	&vl_method_Console,
	SD_VARLINK_SYMBOL_COMMENT("Types on the spawned kernel's console"),
	&vl_method_Input,
	&vl_method_Dmesg,
	SD_VARLINK_SYMBOL_COMMENT("Measures the channel to the peer"),
	&vl_method_Bench,
	&vl_error_Failed);

const sd_varlink_interface *kho_api_interface(void)
{
	return &vl_interface_upgrade;
}
