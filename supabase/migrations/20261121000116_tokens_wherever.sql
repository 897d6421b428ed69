-- What is erased of a driver is found by the token itself, whatever the member is called that bears it: so spellings that the
-- mask of the message log has to know (`idTags`, `uid`, `<idTag>`) need no list here. As before; besides, a token that a
-- charger wrote as a number, or made the name of a member.
create or replace function private.without_tokens(p_value jsonb, p_keys text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return case jsonb_typeof(p_value)
        when 'object' then (select coalesce(jsonb_object_agg(private.text_without(key, p_keys),
                                                             private.without_tokens(value, p_keys)), '{}')
                            from jsonb_each(p_value))
        when 'array' then (select coalesce(jsonb_agg(private.without_tokens(value, p_keys) order by n), '[]')
                           from jsonb_array_elements(p_value) with ordinality as e(value, n))
        when 'string' then to_jsonb(private.text_without(p_value #>> '{}', p_keys))
        when 'number' then case when lower(p_value #>> '{}') = any (p_keys) then '"***"' else p_value end
        else p_value end;
end
$$;
