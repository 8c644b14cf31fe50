// (c) Fastify + pg, seven round trips, prepared statements: a lean handler as a Node developer would write it.
// It books into Kalends' own schema; the exclusion constraint is its only check. Like (b), it leaves out the
// rate limits, scopes, idempotency and request log that Kalends has.
const { createHash, randomUUID } = require('node:crypto');
const { Pool } = require('pg');
const app = require('fastify')();

const pool = new Pool({ host: process.env.PGHOST, user: 'postgres', database: process.env.PGDATABASE, max: 8 });
const prepared = (name, text) => (client, values) => client.query({ name, text, values });
const findKey = prepared('key',
  `SELECT k.org_id, k.id, k.scopes, o.timezone FROM api_keys k JOIN organizations o ON o.id = k.org_id
   WHERE k.digest = $1 AND k.revoked_at IS NULL`);
const findOffer = prepared('offer',
  `SELECT t.*, c.id AS calendar_id, c.busy_changes FROM appointment_types t
   JOIN calendars c ON c.org_id = t.org_id AND c.is_default
   WHERE t.org_id = $1 AND t.id = $2 FOR NO KEY UPDATE OF c`);
const insertOccupation = prepared('occupation',
  `INSERT INTO occupations (org_id, holder_id, calendar_id, kind, busy_start, busy_end, from_change, to_change,
     active, overlap_allowed)
   VALUES ($1, $2, $3, 'appointment', $4, $5, 0, $6, true, false)`);
const insertAppointment = prepared('appointment',
  `INSERT INTO appointments (org_id, id, appointment_type_id, calendar_id, start_time, end_time, busy_start,
     busy_end, overlap_allowed, client_name, client_email, client_phone, client_language, status, source,
     version, confirmed_at, created_at, updated_at)
   VALUES ($1, $2, $3, $4, $5, $6, $5, $6, false, $7, $8, $9, 'en', 'confirmed', 'manual', 1, $10, $10, $10)`);
const insertEvent = prepared('event', 'INSERT INTO events VALUES ($1, $2, $3, $4, $5)');

const schema = {
  body: {
    type: 'object',
    required: ['appointment_type_id', 'start_time', 'client_name'],
    properties: {
      appointment_type_id: { type: 'string' },
      start_time: { type: 'string', format: 'date-time' },
      client_name: { type: 'string' },
      client_email: { type: 'string', format: 'email' },
      client_phone: { type: 'string' },
    },
  },
};

app.post('/v1/calendar/appointments', { schema }, async (request, reply) => {
  const { body } = request;
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const digest = createHash('sha256').update(request.headers.authorization.slice(7)).digest();
    const key = (await findKey(client, [digest])).rows[0];
    if (!key) return reply.code(401).send({ error: 'no key' });
    const offer = (await findOffer(client, [key.org_id, body.appointment_type_id])).rows[0];
    if (!offer) return reply.code(404).send({ error: 'no type' });
    const start = new Date(body.start_time);
    const end = new Date(start.getTime() + offer.duration_minutes * 60000);
    const now = new Date();
    const appointment = {
      id: `apt_${randomUUID()}`, org_id: key.org_id, appointment_type_id: offer.id,
      calendar_id: offer.calendar_id, start_time: start, end_time: end, client_name: body.client_name,
      client_email: body.client_email ?? null, client_phone: body.client_phone ?? null, client_language: 'en',
      client_notes: null, internal_notes: null, status: 'confirmed', confirmed_at: now, completed_at: null,
      cancelled_at: null, no_show_at: null, source: 'manual', created_at: now, updated_at: now,
      appointment_type: {
        id: offer.id, name: offer.name, duration_minutes: offer.duration_minutes, color: offer.color,
      },
    };
    await insertOccupation(client,
      [key.org_id, appointment.id, offer.calendar_id, start, end, offer.busy_changes]);
    await insertAppointment(client, [key.org_id, appointment.id, offer.id, offer.calendar_id, start, end,
      appointment.client_name, appointment.client_email, appointment.client_phone, now]);
    await insertEvent(client, [key.org_id, `evt_${randomUUID()}`, 'appointment.created',
      JSON.stringify({ appointment }), now]);
    await client.query('COMMIT');
    return { appointment };
  } catch (error) {
    await client.query('ROLLBACK');
    return reply.code(error.code === '23P01' ? 409 : 500).send({ error: String(error) });
  } finally {
    client.release();
  }
});

app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
