-- Renders the fines of a batch as XML, one row a fine, each without its last line feed. The first fine of a user also has the end of
-- the user before, and the start of its own user. The escapes \n and \t are only between elements; a compact
-- file is rendered without them.
SELECT CASE WHEN user_id IS DISTINCT FROM lag(user_id) OVER (ORDER BY number) THEN
           CASE WHEN number > 1 THEN E'\t\t\t\t</xb:finefeeList>\n\t\t\t</xb:userExportedFineFeesList>\n' ELSE '' END
        || E'\t\t\t<xb:userExportedFineFeesList>\n'
        || E'\t\t\t\t<xb:user>\n'
        || E'\t\t\t\t\t<xb:type>' || xml_text(:identifier_type) || E'</xb:type>\n'
        || E'\t\t\t\t\t<xb:value>' || xml_text(identifier) || E'</xb:value>\n'
        || E'\t\t\t\t\t<xb:owneredEntity>\n'
        || E'\t\t\t\t\t\t<xb:InstitutionId>'
        || CASE WHEN :identifier_type = 'userName' THEN 'null' ELSE xml_text(:institution_id) END
        || E'</xb:InstitutionId>\n'
        || E'\t\t\t\t\t</xb:owneredEntity>\n'
        || E'\t\t\t\t</xb:user>\n'
        || E'\t\t\t\t<xb:patronName>' || xml_text(patron_name) || E'</xb:patronName>\n'
        || E'\t\t\t\t<xb:finefeeList>\n'
       ELSE '' END
    || E'\t\t\t\t\t<xb:userFineFee>\n\t\t\t\t\t\t'
    || CASE WHEN comment <> '' THEN '<xb:fineFeeComment>' || xml_text(comment) || E'</xb:fineFeeComment>\n'
            ELSE '<xb:fineFeeComment' || CAST(:end_without_value AS text) || E'\n' END
    || E'\t\t\t\t\t\t<xb:fineFeeType>' || xml_text(fine_fee_type) || E'</xb:fineFeeType>\n'
    || E'\t\t\t\t\t\t<xb:owneredEntity>\n'
    || E'\t\t\t\t\t\t\t<xb:InstitutionId>' || xml_text(:institution_id) || E'</xb:InstitutionId>\n'
    || CASE WHEN owner_library_id IS NULL THEN '' ELSE
           E'\t\t\t\t\t\t\t<xb:libraryId>' || xml_text(owner_library_id) || E'</xb:libraryId>\n'
        || E'\t\t\t\t\t\t\t<xb:libraryCode>' || xml_text(owner_library_code) || E'</xb:libraryCode>\n' END
    || E'\t\t\t\t\t\t</xb:owneredEntity>\n'
    || E'\t\t\t\t\t\t<xb:lastTransactionDate>' || to_char(last_transaction_at, :moment) || E'</xb:lastTransactionDate>\n'
    || E'\t\t\t\t\t\t<xb:itemTitle>'
    || CASE WHEN item_id IS NULL THEN E'</xb:itemTitle>\n' ELSE
           xml_text(item_title) || E'</xb:itemTitle>\n'
        || (E'\t\t\t\t\t\t<xb:' || CAST(:call_number AS text) || '>') || coalesce(xml_text(item_call_number), '')
        || ('</xb:' || CAST(:call_number AS text) || E'>\n')
        || E'\t\t\t\t\t\t<xb:itemLibrary>' || coalesce(xml_text(item_library), '') || E'</xb:itemLibrary>\n'
        || E'\t\t\t\t\t\t<xb:itemLocation>' || coalesce(xml_text(item_location), '') || E'</xb:itemLocation>\n'
        || E'\t\t\t\t\t\t<xb:itemInternalLocation>' || coalesce(xml_text(item_internal_location), '')
        || E'</xb:itemInternalLocation>\n\t\t\t\t\t\t'
        || coalesce('<xb:itemDueDate>' || to_char(item_due_date, :moment) || E'</xb:itemDueDate>\n',
                    '<xb:itemDueDate' || CAST(:end_without_value AS text) || E'\n')
        || E'\t\t\t\t\t\t<xb:itemBarcode>' || xml_text(item_barcode) || E'</xb:itemBarcode>\n' END
    || E'\t\t\t\t\t\t<xb:compositeSum>\n'
    || E'\t\t\t\t\t\t\t<xb:currency>' || currency || E'</xb:currency>\n'
    || E'\t\t\t\t\t\t\t<xb:sum>' || trim_scale(amount) || E'</xb:sum>\n\t\t\t\t\t\t\t'
    || coalesce('<xb:vat>' || trim_scale(vat) || E'</xb:vat>\n',
                '<xb:vat' || CAST(:end_without_value AS text) || E'\n')
    || E'\t\t\t\t\t\t</xb:compositeSum>\n'
    || E'\t\t\t\t\t\t<xb:bursarTransactionId>' || xml_text(transaction_id) || E'</xb:bursarTransactionId>\n'
    || CASE WHEN :include_internal_id THEN
           E'\t\t\t\t\t\t<xb:internalId>' || fine_id || E'</xb:internalId>\n'
        || coalesce(E'\t\t\t\t\t\t<xb:reversedTransactionId>' || xml_text(reversed_transaction_id)
                    || E'</xb:reversedTransactionId>\n', '')
       ELSE '' END
    || E'\t\t\t\t\t</xb:userFineFee>'
FROM batch_lines WHERE batch_id = :batch_id
ORDER BY number
