// What the client of openapi-generator's typescript-fetch does: by key it books, lists, reschedules, cancels, and
// makes and deletes a webhook; without one it books a free time, and cancels by the link.
// `walk_generated.ts URL KEY TYPE`.

import {
  AppointmentsApi,
  Configuration,
  ErrorAnswerFromJSON,
  HoldsApi,
  ManageApi,
  OrganizationApi,
  PublicApi,
  ResponseError,
  WebhooksApi,
  type AppointmentCreate,
  type ClientBooking,
} from "./fetch_client/index.ts";

function same<T>(actual: T, expected: T): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${is} is not ${should}`);
}

/** The code of the refusal that the call must meet. */
async function codeOf(call: Promise<object>): Promise<string> {
  try {
    await call;
  } catch (refused) {
    if (refused instanceof ResponseError) return ErrorAnswerFromJSON(await refused.response.json()).code;
    throw refused;
  }
  throw new Error("it was not refused");
}

const [url = "", key = "", type = ""] = process.argv.slice(2);
const start = new Date("2031-03-07T14:00:00Z");
const hour = 3_600_000;
const later = (date: Date, milliseconds: number): Date => new Date(date.getTime() + milliseconds);

const staff = new Configuration({ basePath: url, accessToken: key });
const appointments = new AppointmentsApi(staff);
const wish: AppointmentCreate = {
  appointmentTypeId: type,
  startTime: start,
  clientName: "Jane Doe",
  clientEmail: "jane@example.com",
  clientNotes: null,
};
const { appointment: made } = await appointments.appointmentsCreate({ appointmentCreate: wish });
same([made.startTime, made.endTime], [start, later(start, hour)]);
same([made.clientName, made.clientEmail], ["Jane Doe", "jane@example.com"]);
same([made.status, made.clientPhone, made.answers.length], ["confirmed", null, 0]);
same(made.appointmentType.name, "Tax Consultation");

same(await codeOf(appointments.appointmentsCreate({ appointmentCreate: wish })), "slot_taken");

const page = await appointments.appointmentsList({ from: "2031-03-07", to: "2031-03-07" });
same(page.appointments, [made]);
same(page.nextCursor, null);

const { appointment: moved } = await appointments.appointmentsChange({
  id: made.id,
  appointmentChange: { startTime: later(start, hour) },
});
same([moved.id, moved.startTime, moved.endTime], [made.id, later(start, hour), later(start, 2 * hour)]);
same(moved.clientEmail, "jane@example.com"); // what is not sent stays

const { appointment: ended } = await appointments.appointmentsChange({
  id: made.id,
  appointmentChange: { status: "cancelled", cancellationReason: "Ill" },
});
same([ended.status, ended.cancellationReason], ["cancelled", "Ill"]);
same(ended.cancelledAt instanceof Date, true);

const { history } = await appointments.appointmentsHistory({ id: made.id });
same(history.map((each) => each.version), [1, 2, 3]);
same([history[0]?.before, history[0]?.actor?.kind], [null, "api_key"]);

const holds = new HoldsApi(staff);
const { hold } = await holds.holdsCreate({ holdCreate: { appointmentTypeId: type, startTime: start } });
same((await holds.holdsDelete({ id: hold.id })).deleted, true);

const png = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="),
  (each) => each.charCodeAt(0),
);
const branded = await new OrganizationApi(staff).organizationSetLogo({ body: new Blob([png]) });
same(branded.organization.logo?.startsWith("/demo/logo?v="), true);

const webhooks = new WebhooksApi(staff);
const created = await webhooks.webhooksCreate({
  webhookCreate: { url: "http://127.0.0.1:1/hook", events: ["appointment.*"] },
});
same([created.success, created.data.name], [true, null]);
same((await webhooks.webhooksDelete({ id: created.data.id })).data.deleted, true);

const visitor = new Configuration({ basePath: url });
const [open, manage] = [new PublicApi(visitor), new ManageApi(visitor)];
const day = (days: number): string => later(new Date(), days * 24 * hour).toISOString().slice(0, 10);
const free = await open.publicSlots({ slug: "demo", appointmentTypeId: type, from: day(28), to: day(34) });
const slot = free.slots[0];
if (!slot) throw new Error("nothing is free");
same(slot.endTime, later(slot.startTime, hour));

const kept = await open.publicHold({
  slug: "demo",
  clientHoldCreate: { appointmentTypeId: type, startTime: slot.startTime },
});
const clientBooking: ClientBooking = {
  appointmentTypeId: type,
  startTime: slot.startTime,
  clientName: "Jane Doe",
  clientPhone: "+1234567890",
  holdId: kept.hold.id,
};
const booked = await open.publicBook({ slug: "demo", clientBooking });
same([booked.appointment.startTime, booked.appointment.clientPhone], [slot.startTime, "+1234567890"]);
same(booked.appointment.clientEmail, null);

same(await codeOf(open.publicBook({ slug: "demo", clientBooking })), "hold_gone");

const token = booked.manageToken;
if (token === null) throw new Error("only a rehearsal has no link");
same((await manage.manageGet({ token })).appointment, booked.appointment);
const gone = await manage.manageCancel({ token, cancellation: { reason: "I am ill." } });
same(gone.appointment.status, "cancelled");

console.log("openapi-generator, TypeScript: by key and publicly");
