-- A driver's logins are personal data, too.
insert into private.driver_data (place, relation, belongs, shown, erased) values
(93, 'login_sessions', 'r.user_id = $3', 'r.method, r.address, r.agent, r.created_at, r.seen_at, r.ended_at', 'delete'),
(94, 'recovery_codes', 'r.user_id = $3', 'r.created_at, r.used_at', 'delete');
