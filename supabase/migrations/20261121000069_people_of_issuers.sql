-- Whom an issuer of single sign-on says to be which user: personal data, and audited as users are.
insert into private.driver_data (place, relation, belongs, shown, erased) values
(95, 'sso_identities', 'r.user_id = $3', 'r.issuer, r.subject, r.created_at', 'delete');

call private.audit_changes('public.sso_identities');
