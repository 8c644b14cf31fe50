// What openapi-fetch does with the types of openapi-typescript: by key it books, lists, reschedules and cancels;
// without one it books a free time, and cancels by the link. `walk.ts URL KEY TYPE`.

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.ts";

type Appointment = components["schemas"]["Appointment"];

function same<T>(actual: T, expected: T): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${is} is not ${should}`);
}

function appointmentOf(answer: { data?: { appointment: Appointment }; error?: unknown }): Appointment {
  if (!answer.data) throw new Error(`refused: ${JSON.stringify(answer.error)}`);
  return answer.data.appointment;
}

const [url = "", key = "", type = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

const wish: components["schemas"]["AppointmentCreate"] = {
  appointment_type_id: type,
  start_time: "2031-03-05T14:00:00Z",
  client_name: "Jane Doe",
  client_email: "jane@example.com",
};
const made = appointmentOf(await client.POST("/v1/calendar/appointments", { body: wish }));
same(made.start_time, "2031-03-05T14:00:00Z");
same(made.end_time, "2031-03-05T15:00:00Z");
same(made.client_name, "Jane Doe");
same(made.client_email, "jane@example.com");
same(made.status, "confirmed");
same(made.appointment_type.name, "Tax Consultation");

const png = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="),
  (each) => each.charCodeAt(0),
);
const branded = await client.PUT("/v1/organization/logo", {
  body: "", // its type knows no bytes
  bodySerializer: () => png,
  headers: { "Content-Type": "application/octet-stream" },
});
same(branded.data?.organization.logo?.startsWith("/demo/logo?v="), true);

const refused = await client.POST("/v1/calendar/appointments", { body: wish });
same(refused.response.status, 409);
same(refused.error?.code, "slot_taken");

const page = await client.GET("/v1/calendar/appointments", {
  params: { query: { from: "2031-03-05", to: "2031-03-05" } },
});
same(page.data?.appointments, [made]);
same(page.data?.next_cursor, null);

const params = { path: { id: made.id } };
const moved = appointmentOf(
  await client.PATCH("/v1/calendar/appointments/{id}", { params, body: { start_time: "2031-03-05T15:00:00Z" } }),
);
same(moved.id, made.id);
same(moved.start_time, "2031-03-05T15:00:00Z");
same(moved.end_time, "2031-03-05T16:00:00Z");
same(moved.version, made.version + 1);

const cancelled = appointmentOf(
  await client.PATCH("/v1/calendar/appointments/{id}", {
    params,
    body: { status: "cancelled", cancellation_reason: "Ill" },
  }),
);
same(cancelled.status, "cancelled");
same(cancelled.cancellation_reason, "Ill");
same(typeof cancelled.cancelled_at, "string");

const visitor = createClient<paths>({ baseUrl: url });
const page_of = { path: { slug: "demo" } };
const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

const free = await visitor.GET("/v1/public/{slug}/slots", {
  params: { ...page_of, query: { appointment_type_id: type, from: day(14), to: day(20) } },
});
const start = free.data?.slots[0]?.start_time;
if (!start) throw new Error(`nothing is free: ${JSON.stringify(free.error)}`);

const kept = await visitor.POST("/v1/public/{slug}/holds", {
  params: page_of,
  body: { appointment_type_id: type, start_time: start },
});
const booking: components["schemas"]["ClientBooking"] = {
  appointment_type_id: type,
  start_time: start,
  client_name: "Jane Doe",
  client_phone: "+1234567890",
  hold_id: kept.data?.hold.id,
};
const booked = await visitor.POST("/v1/public/{slug}/appointments", { params: page_of, body: booking });
if (!booked.data) throw new Error(`refused: ${JSON.stringify(booked.error)}`);
same(booked.data.appointment.start_time, start);
same(booked.data.appointment.client_phone, "+1234567890");
same(booked.data.appointment.client_email, null);

const again = await visitor.POST("/v1/public/{slug}/appointments", { params: page_of, body: booking });
same(again.error?.code, "hold_gone");

const token = booked.data.manage_token;
if (token === null) throw new Error("only a rehearsal has no link");
const link = { path: { token } };
const seen = await visitor.GET("/v1/public/appointments/{token}", { params: link });
same(seen.data?.appointment, booked.data.appointment);

const gone = await visitor.POST("/v1/public/appointments/{token}/cancel", {
  params: link,
  body: { reason: "I am ill." },
});
same(gone.data?.appointment.status, "cancelled");

console.log("openapi-typescript: by key and publicly");
