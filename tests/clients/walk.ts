// Book, list, reschedule and cancel with openapi-fetch and the generated types: `walk.ts URL KEY TYPE`.

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

console.log("TypeScript: booked, listed, rescheduled, cancelled");
